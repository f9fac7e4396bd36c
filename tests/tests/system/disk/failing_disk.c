// A disk that fails, as a library for LD_PRELOAD.
//
// It keeps, beside each file of the folder $DISK_WATCHED, what a power cut would leave of it: a copy in $DISK_KEPT that
// only a successful sync brings up to date, block by block. As on Linux, a failed sync takes the blocks for written: a
// later sync that succeeds does not write them, unless the program writes them again. A sync fails when the file
// $DISK_FAILS exists, whose content is the end of the file's name; it is removed then, so one sync fails.
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
  if (file && fails(file)) {
    memset(file->dirty, 0, BLOCKS);
    errno = EIO;
    result = -1;
  } else if (!(result = REAL(how, int (*)(int))(fd)) && file) {
    static char bytes[BLOCK];
    struct stat now;
    int copy = kept(file);
    for (off_t block = 0; block < BLOCKS; block++) {
      if (!file->dirty[block]) continue;
      ssize_t count = pread(fd, bytes, BLOCK, block * BLOCK);
      if (count > 0) REAL("pwrite64", write_at)(copy, bytes, count, block * BLOCK);
    }
    memset(file->dirty, 0, BLOCKS);
    if (!fstat(fd, &now)) REAL("ftruncate64", int (*)(int, off_t))(copy, now.st_size);
    close(copy);
  }
  pthread_mutex_unlock(&lock);
  return result;
}

int fsync(int fd) { return synced(fd, "fsync"); }
int fdatasync(int fd) { return synced(fd, "fdatasync"); }

ssize_t write(int fd, const void *bytes, size_t count) {
  off_t at = lseek(fd, 0, SEEK_CUR);
  ssize_t done = REAL("write", ssize_t (*)(int, const void *, size_t))(fd, bytes, count);
  if (at >= 0) wrote(fd, at, done);
  return done;
}
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
  ssize_t done = REAL("pwrite", write_at)(fd, bytes, count, at);
  wrote(fd, at, done);
  return done;
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at) {
  ssize_t done = REAL("pwrite64", write_at)(fd, bytes, count, at);
  wrote(fd, at, done);
  return done;
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
