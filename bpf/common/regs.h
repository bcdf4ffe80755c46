/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Registers of a probed thread. Go's ABIInternal: src/cmd/compile/abi-internal.md of the Go tree; C: the psABI. */
#ifndef USPAN_REGS_H
#define USPAN_REGS_H

#if defined(__TARGET_ARCH_x86)
#define GO_G(ctx) ((ctx)->r14)
#define GO_IP(ctx) ((ctx)->ip)
#define GO_SP(ctx) ((ctx)->sp)
#define GO_ARG0(ctx) ((ctx)->ax)
#define GO_ARG1(ctx) ((ctx)->bx)
#define GO_ARG2(ctx) ((ctx)->cx)
#define GO_ARG3(ctx) ((ctx)->di)
#define GO_ARG4(ctx) ((ctx)->si)
#define GO_ARG5(ctx) ((ctx)->r8)
#define GO_ARG6(ctx) ((ctx)->r9)
#define GO_ARG7(ctx) ((ctx)->r10)
#define GO_ARG8(ctx) ((ctx)->r11)
#define C_ARG0(ctx) ((ctx)->di)
#elif defined(__TARGET_ARCH_arm64)
#define GO_G(ctx) ((ctx)->regs[28])
#define GO_IP(ctx) ((ctx)->pc)
#define GO_SP(ctx) ((ctx)->sp)
#define GO_ARG0(ctx) ((ctx)->regs[0])
#define GO_ARG1(ctx) ((ctx)->regs[1])
#define GO_ARG2(ctx) ((ctx)->regs[2])
#define GO_ARG3(ctx) ((ctx)->regs[3])
#define GO_ARG4(ctx) ((ctx)->regs[4])
#define GO_ARG5(ctx) ((ctx)->regs[5])
#define GO_ARG6(ctx) ((ctx)->regs[6])
#define GO_ARG7(ctx) ((ctx)->regs[7])
#define GO_ARG8(ctx) ((ctx)->regs[8])
#define C_ARG0(ctx) ((ctx)->regs[0])
#else
#error "unknown __TARGET_ARCH"
#endif

#endif
