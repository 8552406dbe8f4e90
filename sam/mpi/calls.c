//go:build mpi && cgo

#define _GNU_SOURCE
#include "calls.h"
#include "signals.h"

#include <mpi.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// Two communicators of our own, so that no message of others is taken for one of ours: for the
// calls, and for a rank that asks rank 0 to end the job.
static MPI_Comm calls, asks;
static int my_rank;
enum { tag = 1 };

static MPI_Request *requests;
static MPI_Status *statuses;
static struct message {
	int from, count; // a count of -1 is that of no message
} *messages;
static int begun, room;
static double begun_bytes;

static struct message fault;
static int fault_got;
static char reason[STEPPE_MPI_REASON + 1];
static atomic_int interrupted;

static int initialize(void *provided) {
	return MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, provided);
}

int steppe_mpi_start(int *rank, int *size, int *provided) {
	int e = steppe_mpi_keep_signals(initialize, provided);
	if (e == 0) e = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	if (e == 0) e = MPI_Comm_dup(MPI_COMM_WORLD, &calls);
	if (e == 0) e = MPI_Comm_dup(MPI_COMM_WORLD, &asks);
	if (e == 0) e = MPI_Comm_rank(calls, rank);
	if (e == 0) e = MPI_Comm_size(calls, size);
	my_rank = *rank;
	return e;
}

int steppe_mpi_finish(void) {
	free(requests);
	free(statuses);
	free(messages);
	requests = NULL, statuses = NULL, messages = NULL, begun = room = 0, begun_bytes = 0;
	return MPI_Finalize();
}

// grow makes room for one more request.
static int grow(void) {
	if (begun < room) return 0;
	int more = 2 * room + 16;
	void *r = realloc(requests, more * sizeof *requests);
	if (r) requests = r;
	void *s = realloc(statuses, more * sizeof *statuses);
	if (s) statuses = s;
	void *m = realloc(messages, more * sizeof *messages);
	if (m) messages = m;
	if (!r || !s || !m) return STEPPE_MPI_MEMORY;
	room = more;
	return 0;
}

// next returns the place of the next request, of so many bytes; from and count say which message it
// receives.
static MPI_Request *next(double bytes, int from, int count) {
	begun_bytes += bytes;
	messages[begun] = (struct message){from, count};
	return &requests[begun++];
}

int steppe_mpi_send(const float *x, int count, int to) {
	int e = grow();
	return e ? e : MPI_Isend(x, count, MPI_FLOAT, to, tag, calls, next(4.0 * count, -1, -1));
}

int steppe_mpi_receive(float *x, int count, int from) {
	int e = grow();
	return e ? e : MPI_Irecv(x, count, MPI_FLOAT, from, tag, calls, next(4.0 * count, from, count));
}

int steppe_mpi_sum(float *x, int count) {
	int e = grow();
	return e ? e : MPI_Iallreduce(MPI_IN_PLACE, x, count, MPI_FLOAT, MPI_SUM, calls, next(4.0 * count, -1, -1));
}

int steppe_mpi_sum_now(float *x, int count) {
	if (atomic_load(&interrupted)) return STEPPE_MPI_INTERRUPTED;
	return MPI_Allreduce(MPI_IN_PLACE, x, count, MPI_FLOAT, MPI_SUM, calls);
}

int steppe_mpi_broadcast(void *x, int count, int root) {
	int e = grow();
	return e ? e : MPI_Ibcast(x, count, MPI_BYTE, root, calls, next(count, -1, -1));
}

int steppe_mpi_gather_lengths(const int64_t *mine, int64_t *all) {
	int e = grow();
	return e ? e : MPI_Iallgather(mine, 1, MPI_INT64_T, all, 1, MPI_INT64_T, calls, next(8, -1, -1));
}

int steppe_mpi_gather(const void *x, int count, void *all, const int *counts, const int *starts) {
	int e = grow();
	return e ? e : MPI_Iallgatherv(x, count, MPI_BYTE, all, counts, starts, MPI_BYTE, calls, next(count, -1, -1));
}

int steppe_mpi_barrier(void) {
	int e = grow();
	return e ? e : MPI_Ibarrier(calls, next(0, -1, -1));
}

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + 1e-9 * t.tv_nsec;
}

// judge turns the statuses of n requests into one error.
static int judge(int e, int n) {
	for (int i = 0; i < n; i++) {
		if (e == MPI_ERR_IN_STATUS && statuses[i].MPI_ERROR != MPI_SUCCESS && statuses[i].MPI_ERROR != MPI_ERR_PENDING) {
			fault = messages[i];
			fault_got = -1;
			return statuses[i].MPI_ERROR;
		}
	}
	if (e) return e;
	for (int i = 0; i < n; i++) {
		if (messages[i].count < 0) continue;
		e = MPI_Get_count(&statuses[i], MPI_FLOAT, &fault_got);
		if (e) return e;
		if (fault_got != messages[i].count) {
			fault = messages[i];
			return STEPPE_MPI_SHORT;
		}
	}
	return 0;
}

// MPI's own waiting calls would keep a core busy for as long as they wait, and couldn't be left
// when the job is to end. This one tests all the time only for about as long as the messages take
// at 500 MB/s. Then the others are late, and it sleeps between tests. It sleeps some 100
// microseconds, since the system adds to what it is asked for.
int steppe_mpi_wait(void) {
	int n = begun;
	double patience = 1e-3 + 2e-9 * begun_bytes;
	begun = 0, begun_bytes = 0;
	fault = (struct message){-1, -1};
	double start = 0;
	for (unsigned turn = 1;; turn++) {
		int done;
		int e = MPI_Testall(n, requests, &done, statuses);
		if (e || done) return judge(e, n);
		if (turn % 256) continue;
		if (atomic_load(&interrupted)) return STEPPE_MPI_INTERRUPTED;
		e = steppe_mpi_listen();
		if (e) return e;
		if (!start) start = now();
		if (now() - start > patience) usleep(50);
		else sched_yield();
	}
}

void steppe_mpi_fault(int *rank, int *got, int *want) {
	*rank = fault.from, *got = fault_got, *want = fault.count;
}

int steppe_mpi_listen(void) {
	if (my_rank != 0) return 0;
	int there, length;
	MPI_Status status;
	int e = MPI_Iprobe(MPI_ANY_SOURCE, tag, asks, &there, &status);
	if (e || !there) return e;
	e = MPI_Get_count(&status, MPI_BYTE, &length);
	if (e) return e;
	e = MPI_Recv(reason, length, MPI_BYTE, status.MPI_SOURCE, tag, asks, MPI_STATUS_IGNORE);
	if (e) return e;
	reason[length] = 0;
	return STEPPE_MPI_ASKED;
}

const char *steppe_mpi_reason(void) { return reason; }

int steppe_mpi_ask(const char *text, int length) {
	if (length > STEPPE_MPI_REASON) length = STEPPE_MPI_REASON;
	memcpy(reason, text, length);
	MPI_Request request;
	int e = MPI_Isend(reason, length, MPI_BYTE, 0, tag, asks, &request);
	double start = now();
	for (int done = 0; e == 0 && !done && now() - start < 1; usleep(1000)) {
		e = MPI_Test(&request, &done, MPI_STATUS_IGNORE);
	}
	return e;
}

void steppe_mpi_interrupt(void) { atomic_store(&interrupted, 1); }

// One write, so that no other rank's text gets between the lines.
void steppe_mpi_print(const char *text, size_t length) {
	while (length > 0) {
		ssize_t n = write(2, text, length);
		if (n <= 0) return;
		text += n, length -= n;
	}
}

void steppe_mpi_abort(int code) { MPI_Abort(MPI_COMM_WORLD, code); }

const char *steppe_mpi_error(int code) {
	static char text[MPI_MAX_ERROR_STRING];
	int length;
	if (MPI_Error_string(code, text, &length) != MPI_SUCCESS) return "an unknown error";
	return text;
}

const char *steppe_mpi_library(void) {
	static char text[MPI_MAX_LIBRARY_VERSION_STRING];
	int length;
	if (MPI_Get_library_version(text, &length) != MPI_SUCCESS) return "an unknown MPI library";
	return text;
}
