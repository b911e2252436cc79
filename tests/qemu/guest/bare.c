/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bare: a guest of a few KiB with no operating system
 *
 * It is the machine's firmware (-bios): the first instruction jumps to 32-bit
 * mode, flat, without paging, and there it stays.  It stamps every page from
 * FIRST to LAST with number and version, and then goes over them for ever:
 * verify the page, write the next version.  So it runs under any accelerator,
 * also where KVM has to emulate each instruction (which is why it looks at
 * STRIDE of a page's words), and what it does to memory is known.  After each
 * round it prints a line on the debug console (port 0xe9):
 *
 *   RCACHE state=run verified=N mismatches=N
 *
 * test-bare.py compiles it, pads it to 64 KiB and adds the reset vector, a
 * jump to the text's start.
 */
#include <stdint.h>

#define FIRST   (2u << 20)
#define LAST    (18u << 20)
#define PAGE    4096u
#define WORDS   (PAGE / 4)
#define STRIDE  64u

asm(".section .text.startup.bare, \"ax\"\n"
    ".code16\n"
    ".globl _start\n"
    "_start: cli\n"
    "lgdtl %cs:(gdtr - _start)\n"
    "mov %cr0, %eax\n"
    "or $1, %al\n"
    "mov %eax, %cr0\n"
    "ljmpl $8, $flat\n"
    ".code32\n"
    "flat: mov $16, %eax\n"
    "mov %eax, %ds\n"
    "mov %eax, %es\n"
    "mov %eax, %ss\n"
    "mov $0x180000, %esp\n"
    "call bare_main\n"
    ".align 8\n"
    "gdt: .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff\n"
    "gdtr: .word 23\n"
    ".long gdt\n"
    ".text\n");

void bare_main(void);

static void put(char c)
{
    asm volatile("outb %0, %1" : : "a"(c), "Nd"((uint16_t)0xe9));
}

static void put_text(const char *text)
{
    while (*text) {
        put(*text++);
    }
}

static void put_number(uint32_t n)
{
    char digits[10];
    int nr = 0;

    do {
        digits[nr++] = '0' + n % 10;
        n /= 10;
    } while (n);
    while (nr) {
        put(digits[--nr]);
    }
}

static uint32_t seed(uint32_t page, uint32_t version)
{
    uint32_t x = page * 0x9e3779b9u ^ version * 0x85ebca6bu;

    x ^= x >> 16;
    return x * 0x7feb352du;
}

static void stamp(uint32_t page, uint32_t version)
{
    volatile uint32_t *w = (uint32_t *)(page * PAGE);
    uint32_t s = seed(page, version);

    for (uint32_t i = 0; i < WORDS; i += STRIDE) {
        w[i] = s + i;
    }
}

static uint32_t is_wrong(uint32_t page, uint32_t version)
{
    volatile uint32_t *w = (uint32_t *)(page * PAGE);
    uint32_t s = seed(page, version), wrong = 0;

    for (uint32_t i = 0; i < WORDS; i += STRIDE) {
        wrong |= w[i] ^ (s + i);
    }
    return wrong != 0;
}

void bare_main(void)
{
    uint32_t verified = 0, mismatches = 0;

    for (uint32_t page = FIRST / PAGE; page < LAST / PAGE; page++) {
        stamp(page, 0);
    }
    for (uint32_t version = 0;; version++) {
        for (uint32_t page = FIRST / PAGE; page < LAST / PAGE; page++) {
            mismatches += is_wrong(page, version);
            verified++;
            stamp(page, version + 1);
        }
        put_text("RCACHE state=run verified=");
        put_number(verified);
        put_text(" mismatches=");
        put_number(mismatches);
        put('\n');
    }
}
