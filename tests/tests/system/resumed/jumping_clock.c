// A wall clock that jumps while all other clocks go on, as where a machine with its memory is resumed from a snapshot:
// a library for LD_PRELOAD. The file $CLOCK_JUMP holds by how many seconds it is ahead of the system's.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(clock, now);
  const char *path = clock == CLOCK_REALTIME ? getenv("CLOCK_JUMP") : NULL;
  FILE *jump = path ? fopen(path, "r") : NULL;
  long seconds = 0;
  if (!jump) return result;
  if (fscanf(jump, "%ld", &seconds) == 1) now->tv_sec += seconds;
  fclose(jump);
  return result;
}
