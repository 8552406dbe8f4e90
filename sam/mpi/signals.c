//go:build mpi && cgo

#define _GNU_SOURCE
#include "signals.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// Go wants all handlers of signals to be its own, or at least to run on the signal stack: it sends
// itself signals, turns some into panics, and hands others to os/signal. In a program of C, Open MPI
// 4.1 installs handlers for SIGSEGV, SIGBUS, SIGFPE and SIGABRT, MPICH 4.0 one for SIGUSR1, and UCX,
// which MPICH uses, its own before main, with a sigaction that protects them. In Go programs with
// these versions the test of signals passes without this file as well: it is here for others. The
// system call goes around UCX's sigaction.

enum { signals = 65 };

#ifdef __linux__
typedef struct {
	unsigned long words[8]; // the kernel's struct sigaction, which is smaller on all architectures
} action;

static int get(int s, action *a) {
	memset(a, 0, sizeof *a);
	return syscall(SYS_rt_sigaction, s, NULL, a, 8);
}
static void set(int s, action *a) { syscall(SYS_rt_sigaction, s, a, NULL, 8); }
#else
typedef struct sigaction action;

static int get(int s, action *a) {
	memset(a, 0, sizeof *a);
	return sigaction(s, NULL, a);
}
static void set(int s, action *a) { sigaction(s, a, NULL); }
#endif

int steppe_mpi_keep_signals(int (*initialize)(void *), void *argument) {
	static action before[signals];
	int known[signals] = {0};
	for (int s = 1; s < signals; s++) known[s] = get(s, &before[s]) == 0;
	int e = initialize(argument);
	action now;
	for (int s = 1; s < signals; s++) {
		if (known[s] && get(s, &now) == 0 && memcmp(&now, &before[s], sizeof now)) set(s, &before[s]);
	}
	// Go has the same action for all signals that it handles, and SIGURG is always among them.
	static const int errors[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
	for (unsigned i = 0; i < sizeof errors / sizeof *errors; i++) {
		if (known[SIGURG] && get(errors[i], &now) == 0 && memcmp(&now, &before[SIGURG], sizeof now)) {
			set(errors[i], &before[SIGURG]);
		}
	}
	return e;
}
