/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* In place of libbpf's header, for little-endian hosts. */
#ifndef USPAN_HOST_BPF_ENDIAN_H
#define USPAN_HOST_BPF_ENDIAN_H

#define bpf_ntohs(value) __builtin_bswap16(value)
#define bpf_htons(value) __builtin_bswap16(value)
#define bpf_ntohl(value) __builtin_bswap32(value)
#define bpf_htonl(value) __builtin_bswap32(value)
#define bpf_be64_to_cpu(value) __builtin_bswap64(value)
#define bpf_cpu_to_be64(value) __builtin_bswap64(value)

#endif
