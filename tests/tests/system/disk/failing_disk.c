// A disk that fails, as a library for LD_PRELOAD.
//
// It keeps, beside each file of the folder $DISK_WATCHED, what a power cut would leave of it: a copy in $DISK_KEPT that
// only a successful sync brings up to date, block by block. As on Linux, a failed sync takes the blocks for written: a
// later sync that succeeds does not write them, unless the program writes them again.
//
// A sync fails when the file $DISK_FAILS exists, whose content is the end of the file's name; it is removed then, so
// one sync fails. $DISK_PLAN names one call by its number among all of its kind, from 1, and what becomes of it:
//   "write 7 fails"     an error of the device; nothing is written
//   "write 7 tears"     half of it is written, in the copy too, and the power is cut
//   "write 7 is lost"   the power is cut before the next sync, after all other writes had reached the disk
//   "sync 7 fails"      as above
//   "sync 7 is cut"     the power is cut before it
//   "sync 0 lies"       every sync says that it has succeeded, and none does anything
// A power cut ends the process at once. At a regular end the numbers of calls go to $DISK_COUNTS: "writes syncs".
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { BLOCK = 4096, BLOCKS = 1 << 16, FILES = 64 };

struct watched {
  char name[256];
  unsigned char dirty[BLOCKS];
};

static struct watched *files[FILES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

typedef ssize_t (*write_at)(int, const void *, size_t, off_t);

#define REAL(name, type) ((type)dlsym(RTLD_NEXT, name))

static struct watched *named(const char *path) {
  const char *folder = getenv("DISK_WATCHED");
  size_t length = folder ? strlen(folder) : 0;
  if (!length || strncmp(path, folder, length) || path[length] != '/') return NULL;
  const char *name = path + length + 1;
  if (strchr(name, '/') || strstr(name, "-shm") || strlen(name) > 255) return NULL;
  for (int i = 0; i < FILES; i++) {
    if (!files[i]) {
      files[i] = calloc(1, sizeof(struct watched));
      strcpy(files[i]->name, name);
    }
    if (!strcmp(files[i]->name, name)) return files[i];
  }
  return NULL;
}

static struct watched *opened(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return NULL;
  path[length] = 0;
  return named(path);
}

enum fate { NONE, FAILS, TEARS, LOST, CUT, LIES };

static long writes, syncs;
static struct { struct watched *file; off_t first, last; } lost;

static enum fate fate(const char *kind, long number) {
  const char *plan = getenv("DISK_PLAN");
  char planned[16], word[16], more[16] = "";
  long at;
  if (!plan || sscanf(plan, "%15s %ld %15s %15s", planned, &at, word, more) < 3) return NONE;
  if (strcmp(planned, kind) || (at && at != number)) return NONE;
  if (!strcmp(word, "fails")) return FAILS;
  if (!strcmp(word, "tears")) return TEARS;
  if (!strcmp(word, "lies")) return LIES;
  return strcmp(more, "lost") ? CUT : LOST;
}

static void cut_the_power(void) { _exit(137); }

__attribute__((destructor)) static void count(void) {
  const char *path = getenv("DISK_COUNTS");
  FILE *counts = path && writes ? fopen(path, "w") : NULL;
  if (!counts) return;
  fprintf(counts, "%ld %ld\n", writes, syncs);
  fclose(counts);
}

static void wrote(int fd, off_t at, ssize_t count) {
  if (count <= 0) return;
  pthread_mutex_lock(&lock);
  struct watched *file = opened(fd);
  off_t last = (at + count - 1) / BLOCK;
  for (off_t block = at / BLOCK; file && block <= last && block < BLOCKS; block++) file->dirty[block] = 1;
  pthread_mutex_unlock(&lock);
}

static int kept(const struct watched *file) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", getenv("DISK_KEPT"), file->name);
  return open(path, O_RDWR | O_CREAT, 0600);
}

static void keep(const struct watched *file, int fd) {
  static char bytes[BLOCK];
  struct stat now;
  int copy = kept(file);
  for (off_t block = 0; block < BLOCKS; block++) {
    if (!file->dirty[block] || (file == lost.file && block >= lost.first && block <= lost.last)) continue;
    ssize_t count = pread(fd, bytes, BLOCK, block * BLOCK);
    if (count > 0) REAL("pwrite64", write_at)(copy, bytes, count, block * BLOCK);
  }
  if (!fstat(fd, &now)) REAL("ftruncate64", int (*)(int, off_t))(copy, now.st_size);
  close(copy);
}

static void keep_all_but_the_lost(void) {
  for (int i = 0; i < FILES && files[i]; i++) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", getenv("DISK_WATCHED"), files[i]->name);
    // Closing it would drop SQLite's locks, but the process ends here.
    int fd = open(path, O_RDONLY);
    if (fd >= 0) keep(files[i], fd);
  }
}

static int fails(const struct watched *file) {
  const char *order = getenv("DISK_FAILS");
  FILE *given = order ? fopen(order, "r") : NULL;
  if (!given) return 0;
  char end[256] = "";
  size_t length = fread(end, 1, sizeof end - 1, given), name = strlen(file->name);
  fclose(given);
  return length && length <= name && !strcmp(file->name + name - length, end) &&
         !REAL("unlink", int (*)(const char *))(order);
}

static int synced(int fd, const char *how) {
  pthread_mutex_lock(&lock);
  struct watched *file = opened(fd);
  int result = 0;
  enum fate planned = file ? fate("sync", ++syncs) : NONE;
  if (file && lost.file) keep_all_but_the_lost();
  if (planned == CUT || (file && lost.file)) cut_the_power();
  if (file && (planned == FAILS || fails(file))) {
    memset(file->dirty, 0, BLOCKS);
    errno = EIO;
    result = -1;
  } else if (planned != LIES && !(result = REAL(how, int (*)(int))(fd)) && file) {
    keep(file, fd);
    memset(file->dirty, 0, BLOCKS);
  }
  pthread_mutex_unlock(&lock);
  return result;
}

int fsync(int fd) { return synced(fd, "fsync"); }
int fdatasync(int fd) { return synced(fd, "fdatasync"); }

static ssize_t write_watched(write_at real, int fd, const void *bytes, size_t count, off_t at) {
  pthread_mutex_lock(&lock);
  struct watched *file = opened(fd);
  enum fate planned = file ? fate("write", ++writes) : NONE;
  if (planned == TEARS) {
    for (int i = 0, to[] = {fd, kept(file)}; i < 2; i++) real(to[i], bytes, count / 2, at);
    cut_the_power();
  }
  if (planned == LOST) {
    lost.file = file;
    lost.first = at / BLOCK;
    lost.last = (at + (off_t)count - 1) / BLOCK;
  }
  pthread_mutex_unlock(&lock);
  if (planned == FAILS) {
    errno = EIO;
    return -1;
  }
  ssize_t done = real(fd, bytes, count, at);
  wrote(fd, at, done);
  return done;
}

ssize_t write(int fd, const void *bytes, size_t count) {
  off_t at = lseek(fd, 0, SEEK_CUR);
  ssize_t done = REAL("write", ssize_t (*)(int, const void *, size_t))(fd, bytes, count);
  if (at >= 0) wrote(fd, at, done);
  return done;
}
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
  return write_watched(REAL("pwrite", write_at), fd, bytes, count, at);
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at) {
  return write_watched(REAL("pwrite64", write_at), fd, bytes, count, at);
}

int unlink(const char *path) {
  pthread_mutex_lock(&lock);
  struct watched *file = named(path);
  if (file) {
    char copy[4096];
    snprintf(copy, sizeof copy, "%s/%s", getenv("DISK_KEPT"), file->name);
    REAL("unlink", int (*)(const char *))(copy);
    memset(file->dirty, 0, BLOCKS);
  }
  pthread_mutex_unlock(&lock);
  return REAL("unlink", int (*)(const char *))(path);
}
