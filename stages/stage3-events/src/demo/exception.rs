//! `app=exception`: exceptions that stage 1's `app=fault` hasn't got. Nobody takes care of them, so each is reported.

use alloc::boxed::Box;

use console::bedrock::boot_stack_guard;
use console::boot_info::CommandLine;
use console::demo::fault::write_to;
use console::println;

/// The values of `exception=`; the first is the default.
pub(super) const EXCEPTIONS: &[&str] = &["debug", "device", "x87", "heap", "guard", "unmapped", "interrupt", "segment"];

/// Has the processor refuse something.
pub(super) fn exception(command_line: CommandLine<'_>) {
    let kind = command_line.get("exception").filter(|kind| EXCEPTIONS.contains(kind)).unwrap_or(EXCEPTIONS[0]);
    println!("about to raise: {kind}");
    match kind {
        "device" => device_not_available(),
        "x87" => x87_error(),
        "heap" => execute_heap(),
        "guard" => write_to(boot_stack_guard().start + 8),
        "unmapped" => write_to(0x4000_0000_0000),
        "interrupt" => in_an_interrupt(),
        "segment" => super::segment::lose(),
        _ => single_step(),
    }
    println!("nothing happened");
}

#[inline(never)]
fn single_step() {
    // SAFETY: none: the processor traps behind the next instruction, which is the point.
    unsafe { core::arch::asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq", "nop") };
}

#[inline(never)]
fn device_not_available() {
    crate::xen::switch_off_fpu();
    // SAFETY: it traps once, as the FPU is off, which is the point.
    unsafe { core::arch::asm!("movaps xmm0, xmm1", out("xmm0") _) };
}

#[inline(never)]
fn x87_error() {
    let control: u16 = 0x360; // the division by zero isn't masked
    // SAFETY: none: the wait reports the division before it, which is the point.
    unsafe {
        core::arch::asm!("fninit", "fldcw [{}]", "fld1", "fldz", "fdivp", "fwait", in(reg) &raw const control);
    }
}

#[inline(never)]
fn execute_heap() {
    let code = Box::new(0xc3_u8); // would be `ret`
    // SAFETY: the call faults at once, as the heap can't be executed; if it didn't, the byte there returns.
    unsafe { core::arch::asm!("call {}", in(reg) &raw const *code, clobber_abi("C")) };
}

/// Faults in a handler: the report has to get through from there, too.
fn in_an_interrupt() {
    match crate::port::bind_ipi(0, |_| write_to(0x10), 0) {
        Ok(binding) => {
            let _ = binding.notify();
        }
        Err(error) => println!("no port: {error}"),
    }
}
