//! The ELF notes by which Xen's tools recognise the image as a paravirtualised guest.
//!
//! Follows Xen's `public/elfnote.h`. Invariant: the notes lie in a PT_NOTE segment (see `link.ld`), each with its
//! descriptor padded to four bytes. There is no HYPERCALL_PAGE note: the kernel uses `syscall` itself.

use core::arch::global_asm;

global_asm!(
    r#"
    .macro xen_note type, descriptor:vararg
        .long 4                     /* bytes in the name, its NUL included */
        .long 2f - 1f               /* bytes in the descriptor */
        .long \type
        .asciz "Xen"
1:      \descriptor
2:      .balign 4
    .endm

    .section .note.Xen, "a", @note
    /* ANCHOR: notes */
    xen_note 1,  .quad _start                   /* ENTRY */
    xen_note 3,  .quad {virt_base}              /* VIRT_BASE: where page 0 of the guest is mapped */
    xen_note 4,  .quad 0                        /* PADDR_OFFSET: segments are placed from 0 */
    xen_note 5,  .asciz "xen-3.0"               /* XEN_VERSION: the interface, not the release */
    xen_note 6,  .asciz "Stardust"              /* GUEST_OS */
    xen_note 8,  .asciz "generic"               /* LOADER */
    /* ANCHOR_END: notes */
    .text
    "#,
    virt_base = const crate::types::VIRT_BASE,
);
