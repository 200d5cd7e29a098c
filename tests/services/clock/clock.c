/* Shifts the wall clock of a process by the seconds that the file named in KELSEY_TEST_CLOCK holds, read once a second.
 *
 * Preloaded into real processes by the tests, so that an epoch ends when a test says so. Monotonic time, sleeps and
 * timeouts stay as they are; that is why a general tool that shifts those too does not serve here. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static double shift(void) {
    static __thread time_t read_at = -1;
    static __thread double seconds = 0;
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    if (now.tv_sec != read_at) {
        const char *path = getenv("KELSEY_TEST_CLOCK");
        FILE *file = path ? fopen(path, "re") : NULL;
        if (file) {
            double found;
            if (fscanf(file, "%lf", &found) == 1) seconds = found;
            fclose(file);
        }
        read_at = now.tv_sec;
    }
    return seconds;
}

static void move(struct timespec *at) {
    long long nanoseconds = (long long)(shift() * 1e9) + at->tv_nsec;
    long long whole = nanoseconds / 1000000000LL, rest = nanoseconds % 1000000000LL;
    if (rest < 0) { rest += 1000000000LL; whole -= 1; }
    at->tv_sec += whole;
    at->tv_nsec = rest;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    int result = syscall(SYS_clock_gettime, clock, at);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) move(at);
    return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
