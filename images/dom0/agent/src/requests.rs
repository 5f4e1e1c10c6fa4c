//! What becomes of each request.
//!
//! Invariant: each call is answered once. Requests that only take a moment are done at once, so that they stay in
//! order (input to a console, chunks of a file); those that run a program have a thread each, so that none
//! holds up another.

use crate::{Agent, console, files, locked, network, tool, xenstore};
use agent::{Call, FromAgent, Reply, Request};
use rustix::time::{ClockId, Timespec, clock_settime};
use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;
use std::time::{Duration, Instant};

type Answer = Result<Reply, String>;

/// Carries out a call and answers it.
pub fn handle(agent: &Arc<Agent>, Call { id, time_ms, request }: Call) {
    let deadline = Instant::now() + Duration::from_millis(time_ms.into());
    match at_once(agent, request) {
        Break(result) => agent.port.send(&FromAgent::Reply { id, result }),
        Continue(request) => {
            let agent = agent.clone();
            std::thread::spawn(move || {
                let result = with_a_program(&agent, request, deadline);
                agent.port.send(&FromAgent::Reply { id, result });
            });
        }
    }
}

/// Does what takes a moment; passes the request on otherwise.
fn at_once(agent: &Agent, request: Request) -> ControlFlow<Answer, Request> {
    let done = |()| Reply::Done;
    Break(match request {
        Request::Hello { unix_nanos } => hello(unix_nanos),
        Request::Write { path, offset, bytes } => files::write(&path, offset, &bytes),
        Request::SetLength { path, bytes } => files::set_length(&path, bytes),
        Request::Length { path } => files::length(&path),
        Request::Read { path, offset, bytes } => files::read(&path, offset, bytes),
        Request::Remove { path } => files::remove(&path),
        Request::ConsoleInput { domain, bytes } => {
            agent.domains.domid(&domain).and_then(|domid| console::input(domid, &bytes)).map(Reply::Number)
        }
        Request::StoreRead { path } => xenstore::read(&path).map(|value| Reply::Value(value.map(Into::into))),
        Request::StoreWrite { path, value } => xenstore::write(&path, &value).map(done),
        Request::StoreRemove { path } => xenstore::remove(&path).map(done),
        Request::StoreList { path } => xenstore::list(&path).map(Reply::Names),
        Request::StoreWatch { path } => agent.watches.add(&path).map(Reply::Number),
        Request::StoreUnwatch { watch } => agent.watches.remove(watch).map(done),
        Request::MapGrant { domain, reference } => {
            let domain = agent.domains.domid(&domain);
            domain.and_then(|domid| agent.grants.map(domid, reference)).map(Reply::Number)
        }
        Request::ReadGrant { mapping, offset, bytes } => agent.grants.read(mapping, offset, bytes).map(Reply::Bytes),
        Request::WriteGrant { mapping, offset, bytes } => agent.grants.write(mapping, offset, &bytes).map(done),
        Request::UnmapGrant { mapping } => agent.grants.unmap(mapping).map(done),
        Request::StopCapture { capture } => agent.captures.stop(capture).map(done),
        Request::Inject { interface, frame } => network::inject(&interface, &frame).map(done),
        other => return Continue(other),
    })
}

fn with_a_program(agent: &Agent, request: Request, deadline: Instant) -> Answer {
    let xl = |arguments: &[&str]| tool::xl(arguments, deadline).map(|_| Reply::Done);
    match request {
        Request::Exec { argv, stdin } => tool::run(&argv, &stdin, deadline).map(Reply::Exec),
        Request::Create(options) => {
            agent.domains.create(&options, None, deadline).map(|domid| Reply::Number(domid.into()))
        }
        Request::Restore { options, path } => {
            agent.domains.create(&options, Some(&path), deadline).map(|domid| Reply::Number(domid.into()))
        }
        Request::Save { domain, path, leave_running } => {
            agent.domains.save(&domain, &path, leave_running, deadline).map(|()| Reply::Done)
        }
        Request::Pause { domain } => xl(&["pause", &domain]),
        Request::Unpause { domain } => xl(&["unpause", &domain]),
        Request::Shutdown { domain } => xl(&["shutdown", &domain]),
        Request::Reboot { domain } => xl(&["reboot", &domain]),
        Request::Destroy { domain } => agent.domains.destroy(&domain, deadline).map(|()| Reply::Done),
        Request::SetVcpus { domain, vcpus } => xl(&["vcpu-set", &domain, &vcpus.to_string()]),
        Request::SetMemory { domain, kib } => xl(&["mem-set", &domain, &format!("{kib}k")]),
        Request::AttachNetwork { domain, vif } => {
            let settings = vif.to_xl();
            let arguments: Vec<&str> = ["network-attach", &domain].into_iter().chain(settings.split(',')).collect();
            xl(&arguments)
        }
        Request::DetachNetwork { domain, index } => xl(&["network-detach", &domain, &index.to_string()]),
        Request::AttachBlock { domain, disk } => xl(&["block-attach", &domain, &disk.to_xl()]),
        Request::DetachBlock { domain, vdev } => xl(&["block-detach", &domain, &vdev]),
        Request::Capture { interface } => agent.captures.start(&interface).map(Reply::Number),
        Request::SetLink { interface, up } => network::set_link(&interface, up).map(|()| Reply::Done),
        Request::XenMessages => xen_messages(agent, deadline),
        other => Err(format!("the agent cannot do this: {other:?}")),
    }
}

/// Sets the clock, which stood still while the machine was a file.
fn hello(unix_nanos: u64) -> Answer {
    let now = Timespec {
        tv_sec: i64::try_from(unix_nanos / 1_000_000_000).map_err(|error| error.to_string())?,
        tv_nsec: (unix_nanos % 1_000_000_000) as _,
    };
    clock_settime(ClockId::Realtime, now).map_err(|error| format!("set the clock: {error}"))?;
    let part = |name: &str| std::fs::read_to_string(format!("/sys/hypervisor/version/{name}")).unwrap_or_default();
    Ok(Reply::Hello { xen: format!("{}.{}{}", part("major").trim(), part("minor").trim(), part("extra").trim()) })
}

fn xen_messages(agent: &Agent, deadline: Instant) -> Answer {
    let now = tool::xl(&["dmesg"], deadline)?.stdout;
    let mut before = locked(&agent.xen_messages);
    let new = since(&before, &now).to_vec();
    *before = now;
    Ok(Reply::Bytes(new))
}

/// What `now` has more than `before`. Xen's ring only loses lines at its beginning.
fn since<'a>(before: &[u8], now: &'a [u8]) -> &'a [u8] {
    let kept = (0..before.len()).map(|lost| &before[lost..]).find(|kept| now.starts_with(kept));
    &now[kept.map_or(0, <[u8]>::len)..]
}

#[cfg(test)]
mod tests {
    use super::since;

    #[test]
    fn messages_since_are_the_new_ones_also_when_the_ring_has_wrapped() {
        let cases = [
            ("", "a b", "a b"),
            ("a b", "a b", ""),
            ("a b", "a b c", " c"),
            ("a b c", "b c d", " d"),
            ("a b", "x y", "x y"),
        ];
        for (before, now, new) in cases {
            assert_eq!(since(before.as_bytes(), now.as_bytes()), new.as_bytes(), "{before} {now}");
        }
    }
}
