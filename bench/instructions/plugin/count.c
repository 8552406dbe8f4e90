// A plugin of qemu-user that counts the instructions that an emulated program executes, by function.
//
// When the program ends, the file that the argument out names has a line for each function: how
// many instructions it executed, and its name. Instructions are counted block by block as blocks
// begin, so a block that a fault or a signal ends early counts whole.
//
// Distributions install qemu without its header, so what is used of version 1 of the interface is
// declared here.

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t plugin_id;
struct qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, void (*cb)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, void (*cb)(unsigned, void *),
	enum qemu_plugin_cb_flags flags, void *data);
void qemu_plugin_register_atexit_cb(plugin_id id, void (*cb)(plugin_id, void *), void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
const char *qemu_plugin_insn_symbol(const struct qemu_plugin_insn *insn);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

// A translated block. Blocks are never freed: the program may be translated again, but seldom is.
struct block {
	const char *symbol;
	uint64_t instructions, executed;
	struct block *next;
};

static struct block *blocks;
static const char *out;

static void execute(unsigned cpu, void *data)
{
	struct block *b = data;
	__atomic_fetch_add(&b->executed, b->instructions, __ATOMIC_RELAXED);
}

static void translate(plugin_id id, struct qemu_plugin_tb *tb)
{
	struct block *b = calloc(1, sizeof *b);
	if (!b)
		abort();
	const char *symbol = qemu_plugin_insn_symbol(qemu_plugin_tb_get_insn(tb, 0));
	b->symbol = symbol && *symbol ? symbol : "?";
	b->instructions = qemu_plugin_tb_n_insns(tb);
	b->next = __atomic_load_n(&blocks, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&blocks, &b->next, b, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, execute, QEMU_PLUGIN_CB_NO_REGS, b);
}

static void report(plugin_id id, void *data)
{
	FILE *f = fopen(out, "w");
	if (!f) {
		perror(out);
		exit(1);
	}
	for (struct block *b = __atomic_load_n(&blocks, __ATOMIC_ACQUIRE); b; b = b->next)
		if (b->executed)
			fprintf(f, "%" PRIu64 " %s\n", b->executed, b->symbol);
	if (fclose(f)) {
		perror(out);
		exit(1);
	}
}

__attribute__((visibility("default"))) int qemu_plugin_install(plugin_id id, const struct qemu_info_t *info, int argc,
	char **argv)
{
	if (argc != 1 || strncmp(argv[0], "out=", 4)) {
		fprintf(stderr, "count: want one argument, out=FILE\n");
		return 1;
	}
	out = strdup(argv[0] + 4);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	qemu_plugin_register_atexit_cb(id, report, NULL);
	return 0;
}
