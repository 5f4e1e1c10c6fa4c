//! What the harness can ask of dom0, typed.
//!
//! Invariant: each call has a deadline suited to what it does and stretched by the machine's factor; its errors name
//! what was asked.

use crate::error::{Context, Error, Result};
use crate::machine::deadline::{Deadline, Deadlines};
use crate::machine::events::Events;
use crate::machine::link::{Link, Pending, Standing};
use agent::{CHUNK, CreateOptions, Disk, ExecOutput, Reply, Request, Vif};
use std::collections::VecDeque;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds for what the agent does by itself.
const QUICK: f64 = 10.;
/// Seconds for a run of `xl`.
const XL: f64 = 30.;
/// Seconds for making, saving or restoring a domain.
const LONG: f64 = 120.;
/// How many chunks of a file are on their way at a time.
const WINDOW: usize = 4;
/// Bytes of a file in a request to a dom0 whose time is counted, small enough for the connection to take it at once.
/// While such a dom0 waits for the rest of a request its time leaps on, and it soon gives that request up.
const SMALL_CHUNK: usize = 16 << 10;

/// The agent in dom0.
pub struct Agent {
    link: Link,
    deadlines: Deadlines,
    chunk: usize,
    /// The end of a domain, under way.
    ending: Mutex<VecDeque<Pending>>,
}

/// A domain that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Xen's number for it, which changes when it reboots.
    pub domid: u32,
    /// Its name, by which everything else knows it.
    pub name: String,
}

/// What a program of dom0's has printed, if it has ended well; otherwise what it complains about.
pub fn outcome(ended: &ExecOutput) -> std::result::Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if ended.status == 0 { Ok(text(&ended.stdout)) } else { Err(text(&ended.stderr)) }
}

impl Agent {
    /// The agent at the other end of `stream`; `counted` tells what dom0's time is.
    pub(super) fn new(stream: UnixStream, standing: Standing, deadlines: Deadlines, counted: bool) -> Result<Self> {
        let chunk = if counted { SMALL_CHUNK } else { CHUNK };
        Ok(Self { link: Link::new(stream, standing, deadlines)?, deadlines, chunk, ending: Mutex::default() })
    }

    /// Waits for the agent and sets dom0's clock. Returns Xen's version.
    pub fn hello(&self) -> Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_nanos = now.as_nanos().try_into().unwrap_or(u64::MAX);
        match self.ask("answer its first call", Request::Hello { unix_nanos }, QUICK)? {
            Reply::Hello { xen } => Ok(xen),
            other => Err(unexpected(&other)),
        }
    }

    /// What happens in dom0, guests' consoles included.
    pub fn events(&self) -> &Events {
        self.link.events()
    }

    /// Puts a file into dom0. Stretches of zeros take no room there.
    pub fn put(&self, path: &str, data: &[u8]) -> Result<()> {
        self.put_from(path, data, data.len() as u64)
    }

    /// Puts a file of `bytes` bytes into dom0, without holding it in memory.
    pub fn put_from(&self, path: &str, mut source: impl Read, bytes: u64) -> Result<()> {
        let what = format!("take {path}");
        self.done(&what, Request::SetLength { path: path.into(), bytes: 0 }, QUICK)?;
        self.done(&what, Request::SetLength { path: path.into(), bytes }, QUICK)?;
        let mut under_way = VecDeque::new();
        let mut offset = 0;
        while offset < bytes {
            let mut chunk = vec![0; self.chunk.min((bytes - offset) as usize)];
            source.read_exact(&mut chunk).doing(format_args!("read what is to be put at {path}"))?;
            let length = chunk.len() as u64;
            if chunk.iter().any(|&byte| byte != 0) {
                if under_way.len() == WINDOW {
                    self.finish(&what, &mut under_way)?;
                }
                let request = Request::Write { path: path.into(), offset, bytes: chunk };
                under_way.push_back(self.link.begin(request, self.deadlines.seconds(XL))?);
            }
            offset += length;
        }
        while !under_way.is_empty() {
            self.finish(&what, &mut under_way)?;
        }
        Ok(())
    }

    /// Fetches a file from dom0.
    pub fn get(&self, path: &str) -> Result<Vec<u8>> {
        let what = format!("send {path}");
        let length = self.number(&what, Request::Length { path: path.into() }, QUICK)?;
        let mut data = Vec::new();
        while (data.len() as u64) < length {
            let request = Request::Read { path: path.into(), offset: data.len() as u64, bytes: CHUNK as u32 };
            match self.ask(&what, request, QUICK)? {
                Reply::Bytes(bytes) if !bytes.is_empty() => data.extend(bytes),
                Reply::Bytes(_) => return Err(Error::fault(format!("{path} became shorter while it was read"))),
                other => return Err(unexpected(&other)),
            }
        }
        Ok(data)
    }

    /// Fetches a part of a file from dom0, of at most [`CHUNK`] bytes.
    pub fn get_part(&self, path: &str, offset: u64, bytes: u32) -> Result<Vec<u8>> {
        let what = format!("send {path}");
        match self.ask(&what, Request::Read { path: path.into(), offset, bytes }, QUICK)? {
            Reply::Bytes(bytes) => Ok(bytes),
            other => Err(unexpected(&other)),
        }
    }

    /// Changes a part of a file of dom0's.
    pub fn put_part(&self, path: &str, offset: u64, bytes: &[u8]) -> Result<()> {
        self.done(&format!("take {path}"), Request::Write { path: path.into(), offset, bytes: bytes.into() }, QUICK)
    }

    /// Removes a file or a folder of dom0.
    pub fn remove(&self, path: &str) -> Result<()> {
        self.done(&format!("remove {path}"), Request::Remove { path: path.into() }, QUICK)
    }

    /// Runs a program in dom0, with at most a mebibyte of input.
    pub fn exec(&self, argv: &[&str], stdin: &[u8]) -> Result<ExecOutput> {
        self.exec_within(argv, stdin, self.deadlines.seconds(XL))
    }

    /// The same with a time of its own.
    pub fn exec_within(&self, argv: &[&str], stdin: &[u8], time: Duration) -> Result<ExecOutput> {
        let what = format!("run {}", argv.join(" "));
        let argv = argv.iter().map(|&word| word.to_owned()).collect();
        match self.link.call(&what, Request::Exec { argv, stdin: stdin.to_vec() }, time)? {
            Reply::Exec(output) => Ok(output),
            other => Err(unexpected(&other)),
        }
    }

    /// Makes a domain and, unless it is to be paused, starts it.
    pub fn create(&self, options: &CreateOptions) -> Result<Domain> {
        // Devices and addresses of the last one may be the same.
        let mut ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        while !ending.is_empty() {
            self.finish("destroy a domain", &mut ending)?;
        }
        drop(ending);
        let what = format!("create the domain {}", options.name);
        let domid = self.number(&what, Request::Create(options.clone()), LONG)?;
        Ok(Domain { domid: domid as u32, name: options.name.clone() })
    }

    /// Saves a domain to a file of dom0; it is gone afterwards unless `leave_running`.
    pub fn save(&self, domain: &str, path: &str, leave_running: bool) -> Result<()> {
        let request = Request::Save { domain: domain.into(), path: path.into(), leave_running };
        self.done(&format!("save {domain}"), request, LONG)
    }

    /// Starts a saved domain. The options are those that it was made with; a different name is fine.
    pub fn restore(&self, options: &CreateOptions, path: &str) -> Result<Domain> {
        let request = Request::Restore { options: options.clone(), path: path.into() };
        let domid = self.number(&format!("restore {}", options.name), request, LONG)?;
        Ok(Domain { domid: domid as u32, name: options.name.clone() })
    }

    /// Stops a domain's vCPUs.
    pub fn pause(&self, domain: &str) -> Result<()> {
        self.done(&format!("pause {domain}"), Request::Pause { domain: domain.into() }, XL)
    }

    /// Lets them run on.
    pub fn unpause(&self, domain: &str) -> Result<()> {
        self.done(&format!("unpause {domain}"), Request::Unpause { domain: domain.into() }, XL)
    }

    /// Begins to let them run on, where whoever debugs the machine may stop all of it before the answer.
    pub fn begin_unpause(&self, domain: &str) -> Result<()> {
        self.link.begin(Request::Unpause { domain: domain.into() }, self.deadlines.seconds(XL)).map(drop)
    }

    /// Asks the guest to power off, and doesn't wait for what it says to that.
    pub fn begin_shutdown(&self, domain: &str) -> Result<()> {
        self.link.begin(Request::Shutdown { domain: domain.into() }, self.deadlines.seconds(XL)).map(drop)
    }

    /// Asks the guest to power off.
    pub fn shutdown(&self, domain: &str) -> Result<()> {
        self.done(&format!("shut {domain} down"), Request::Shutdown { domain: domain.into() }, XL)
    }

    /// Asks the guest to reboot.
    pub fn reboot(&self, domain: &str) -> Result<()> {
        self.done(&format!("reboot {domain}"), Request::Reboot { domain: domain.into() }, XL)
    }

    /// Ends a domain at once. One that has ended already is fine.
    pub fn destroy(&self, domain: &str) -> Result<()> {
        self.done(&format!("destroy {domain}"), Request::Destroy { domain: domain.into() }, XL)
    }

    /// Begins to end a domain; the next one that is created waits for it.
    pub fn begin_destroy(&self, domain: &str) -> Result<()> {
        let pending = self.link.begin(Request::Destroy { domain: domain.into() }, self.deadlines.seconds(XL))?;
        self.ending.lock().unwrap_or_else(PoisonError::into_inner).push_back(pending);
        Ok(())
    }

    /// Sets how many vCPUs the guest should have online.
    pub fn set_vcpus(&self, domain: &str, vcpus: u32) -> Result<()> {
        self.done(&format!("set {domain}'s vCPUs"), Request::SetVcpus { domain: domain.into(), vcpus }, XL)
    }

    /// Sets the balloon's target, in KiB.
    pub fn set_memory(&self, domain: &str, kib: u64) -> Result<()> {
        self.done(&format!("set {domain}'s memory"), Request::SetMemory { domain: domain.into(), kib }, XL)
    }

    /// Adds a network interface.
    pub fn attach_network(&self, domain: &str, vif: &Vif) -> Result<()> {
        let request = Request::AttachNetwork { domain: domain.into(), vif: vif.clone() };
        self.done(&format!("attach a network interface to {domain}"), request, XL)
    }

    /// Removes the network interface of number `index`.
    pub fn detach_network(&self, domain: &str, index: u32) -> Result<()> {
        let request = Request::DetachNetwork { domain: domain.into(), index };
        self.done(&format!("detach {domain}'s network interface {index}"), request, XL)
    }

    /// Adds a disk.
    pub fn attach_block(&self, domain: &str, disk: &Disk) -> Result<()> {
        let request = Request::AttachBlock { domain: domain.into(), disk: disk.clone() };
        self.done(&format!("attach {} to {domain}", disk.vdev), request, XL)
    }

    /// Removes a disk by its name in the guest.
    pub fn detach_block(&self, domain: &str, vdev: &str) -> Result<()> {
        let request = Request::DetachBlock { domain: domain.into(), vdev: vdev.into() };
        self.done(&format!("detach {vdev} from {domain}"), request, XL)
    }

    /// Types on a guest's console; waits while the guest reads slowly.
    pub fn console_input(&self, domain: &str, mut bytes: &[u8]) -> Result<()> {
        let deadline = self.deadlines.within(QUICK);
        while !bytes.is_empty() {
            let taken = self.console_input_now(domain, bytes)?;
            bytes = &bytes[taken..];
            if taken == 0 {
                if deadline.is_over() {
                    let what = format!("type on {domain}'s console");
                    return Err(deadline.missed(what, format_args!("{} bytes were not read", bytes.len())));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    /// Types on a guest's console, and returns how many of the bytes it took: none while it has no room.
    ///
    /// # Errors
    /// Also for a guest whose console isn't there, or no longer.
    pub fn console_input_now(&self, domain: &str, bytes: &[u8]) -> Result<usize> {
        let some = &bytes[..bytes.len().min(4096)];
        let request = Request::ConsoleInput { domain: domain.into(), bytes: some.to_vec() };
        let taken = self.number(&format!("type on {domain}'s console"), request, QUICK)?;
        Ok(some.len().min(taken as usize))
    }

    /// Reads a xenstore node; `None` where there is none.
    pub fn store_read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        match self.ask(&format!("read {path}"), Request::StoreRead { path: path.into() }, QUICK)? {
            Reply::Value(value) => Ok(value.map(|value| value.into_vec())),
            other => Err(unexpected(&other)),
        }
    }

    /// Writes a xenstore node.
    pub fn store_write(&self, path: &str, value: &[u8]) -> Result<()> {
        let request = Request::StoreWrite { path: path.into(), value: value.to_vec() };
        self.done(&format!("write {path}"), request, QUICK)
    }

    /// Removes a xenstore node and what is below it.
    pub fn store_remove(&self, path: &str) -> Result<()> {
        self.done(&format!("remove {path}"), Request::StoreRemove { path: path.into() }, QUICK)
    }

    /// Lists a xenstore node's children.
    pub fn store_list(&self, path: &str) -> Result<Vec<String>> {
        match self.ask(&format!("list {path}"), Request::StoreList { path: path.into() }, QUICK)? {
            Reply::Names(names) => Ok(names),
            other => Err(unexpected(&other)),
        }
    }

    /// Watches a xenstore node; the number comes with each of its events.
    pub fn store_watch(&self, path: &str) -> Result<u64> {
        self.number(&format!("watch {path}"), Request::StoreWatch { path: path.into() }, QUICK)
    }

    /// Ends a watch.
    pub fn store_unwatch(&self, watch: u64) -> Result<()> {
        self.done("end a watch", Request::StoreUnwatch { watch }, QUICK)
    }

    /// Reports every frame on an interface of dom0 as an event; the number comes with each.
    pub fn capture(&self, interface: &str) -> Result<u64> {
        self.number(&format!("capture on {interface}"), Request::Capture { interface: interface.into() }, QUICK)
    }

    /// Ends a capture.
    pub fn stop_capture(&self, capture: u64) -> Result<()> {
        self.done("end a capture", Request::StopCapture { capture }, QUICK)
    }

    /// Sends a raw Ethernet frame out of an interface of dom0: into the guest where that is its `vifN.M`.
    pub fn inject(&self, interface: &str, frame: &[u8]) -> Result<()> {
        let request = Request::Inject { interface: interface.into(), frame: frame.to_vec() };
        self.done(&format!("send a frame on {interface}"), request, QUICK)
    }

    /// Sets an interface of dom0 up or down.
    pub fn set_link(&self, interface: &str, up: bool) -> Result<()> {
        let request = Request::SetLink { interface: interface.into(), up };
        self.done(&format!("set {interface} {}", if up { "up" } else { "down" }), request, QUICK)
    }

    /// Xen's messages since the last call (`xl dmesg`).
    pub fn xen_messages(&self) -> Result<String> {
        match self.ask("read Xen's messages", Request::XenMessages, XL)? {
            Reply::Bytes(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            other => Err(unexpected(&other)),
        }
    }

    /// Sends bytes to the agent as they are, whatever they mean: for tests of its robustness.
    pub fn send_raw(&self, bytes: &[u8]) -> Result<()> {
        self.link.send(bytes, Deadline::after(self.deadlines.seconds(QUICK)))
    }

    /// Maps a page that a guest has granted to dom0, and returns the mapping's number.
    pub fn map_grant(&self, domain: &str, reference: u32) -> Result<u64> {
        let request = Request::MapGrant { domain: domain.into(), reference };
        self.number(&format!("map grant {reference} of {domain}"), request, QUICK)
    }

    /// Bytes of a mapped page.
    pub fn read_grant(&self, mapping: u64, offset: u32, bytes: u32) -> Result<Vec<u8>> {
        match self.ask("read a granted page", Request::ReadGrant { mapping, offset, bytes }, QUICK)? {
            Reply::Bytes(bytes) => Ok(bytes),
            other => Err(unexpected(&other)),
        }
    }

    /// Changes bytes of a mapped page.
    pub fn write_grant(&self, mapping: u64, offset: u32, bytes: &[u8]) -> Result<()> {
        let request = Request::WriteGrant { mapping, offset, bytes: bytes.into() };
        self.done("write to a granted page", request, QUICK)
    }

    /// Unmaps a page.
    pub fn unmap_grant(&self, mapping: u64) -> Result<()> {
        self.done("unmap a granted page", Request::UnmapGrant { mapping }, QUICK)
    }

    fn ask(&self, what: &str, request: Request, seconds: f64) -> Result<Reply> {
        self.link.call(what, request, self.deadlines.seconds(seconds))
    }

    fn done(&self, what: &str, request: Request, seconds: f64) -> Result<()> {
        match self.ask(what, request, seconds)? {
            Reply::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    fn number(&self, what: &str, request: Request, seconds: f64) -> Result<u64> {
        match self.ask(what, request, seconds)? {
            Reply::Number(number) => Ok(number),
            other => Err(unexpected(&other)),
        }
    }

    fn finish(&self, what: &str, under_way: &mut VecDeque<Pending>) -> Result<()> {
        match under_way.pop_front().map(|pending| self.link.finish(what, pending)).transpose()? {
            None | Some(Reply::Done) => Ok(()),
            Some(other) => Err(unexpected(&other)),
        }
    }
}

fn unexpected(reply: &Reply) -> Error {
    Error::fault(format!("the agent answered a different question: {reply:?}"))
}
