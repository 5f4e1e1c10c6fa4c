//! `memcpy` and its family, which the compiler calls wherever it copies, fills or compares memory.
//!
//! The prebuilt libraries don't hold them, since they normally come from C. Follows the C standard; `bcmp` and
//! `strlen` are the compiler's and `core`'s wishes. They are written in assembly because a loop in Rust would be
//! turned into a call to itself.
//!
//! Invariant: nothing is kept below rsp (Xen overwrites it), and the direction flag stays clear.
//!
//! Up to 32 bytes are moved by two overlapping loads and stores at either end, all loads first, so that overlapping
//! areas need no thought. Above, `rep movsq` moves eight bytes a step, and the last eight, which were loaded
//! before, finish the rest.

use core::arch::global_asm;

global_asm!(
    r#"
    .section .text.memory_functions, "ax", @progbits
    .global memcpy, memmove, memset, memcmp, bcmp, strlen

    .balign 16
memmove:
    mov rax, rdi
    sub rax, rsi                /* as an unsigned number, below n only if dst lies inside [src, src + n) */
    cmp rax, rdx
    jae memcpy
    cmp rdx, 32
    jbe memcpy
    mov rax, rdi
    mov r8, [rsi]               /* backwards, eight bytes a step; the first eight are kept for the end */
2:  mov r9, [rsi + rdx - 8]
    mov [rdi + rdx - 8], r9
    sub rdx, 8
    cmp rdx, 8
    ja 2b
    mov [rdi], r8
    ret

    .balign 16
memcpy:
    mov rax, rdi
    cmp rdx, 32
    ja 5f
    cmp rdx, 16
    jae 4f
    cmp rdx, 8
    jae 3f
    cmp rdx, 4
    jae 2f
    test rdx, rdx
    je 9f
    movzx ecx, byte ptr [rsi]   /* 1..3 bytes: first, middle, last */
    movzx r8d, byte ptr [rsi + rdx - 1]
    mov r9, rdx
    shr r9, 1
    movzx r10d, byte ptr [rsi + r9]
    mov [rdi], cl
    mov [rdi + r9], r10b
    mov [rdi + rdx - 1], r8b
9:  ret
2:  mov ecx, [rsi]
    mov r8d, [rsi + rdx - 4]
    mov [rdi], ecx
    mov [rdi + rdx - 4], r8d
    ret
3:  mov rcx, [rsi]
    mov r8, [rsi + rdx - 8]
    mov [rdi], rcx
    mov [rdi + rdx - 8], r8
    ret
4:  mov rcx, [rsi]
    mov r8, [rsi + 8]
    mov r9, [rsi + rdx - 16]
    mov r10, [rsi + rdx - 8]
    mov [rdi], rcx
    mov [rdi + 8], r8
    mov [rdi + rdx - 16], r9
    mov [rdi + rdx - 8], r10
    ret
5:  mov r8, [rsi + rdx - 8]
    lea r9, [rdi + rdx - 8]
    mov rcx, rdx
    shr rcx, 3
    rep movsq
    mov [r9], r8
    ret

    .balign 16
memset:
    mov r9, rdi
    movzx eax, sil
    mov r8, 0x0101010101010101
    imul rax, r8
    cmp rdx, 8
    jb 2f
    mov [rdi + rdx - 8], rax
    mov rcx, rdx
    shr rcx, 3
    rep stosq
    mov rax, r9
    ret
2:  mov rcx, rdx
    rep stosb
    mov rax, r9
    ret

    .balign 16
memcmp:
bcmp:
    cmp rdx, 8
    jb 3f
2:  mov rax, [rdi]
    mov rcx, [rsi]
    cmp rax, rcx
    jne 4f
    add rdi, 8
    add rsi, 8
    sub rdx, 8
    cmp rdx, 8
    jae 2b
3:  test rdx, rdx
    je 5f
    movzx eax, byte ptr [rdi]
    movzx ecx, byte ptr [rsi]
    inc rdi
    inc rsi
    dec rdx
    sub eax, ecx
    je 3b
    ret
4:  bswap rax                   /* the first byte that differs decides: make it the most significant */
    bswap rcx
    cmp rax, rcx
    sbb eax, eax
    or eax, 1
    ret
5:  xor eax, eax
    ret

    .balign 16
strlen:
    xor eax, eax
2:  cmp byte ptr [rdi + rax], 0
    je 3f
    inc rax
    jmp 2b
3:  ret
    .text
    "#
);
