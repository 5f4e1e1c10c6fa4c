//! `harness run --gdb`, with a debugger that speaks the remote protocol of gdb by hand ("Remote Serial Protocol" in
//! gdb's manual): a packet is `$`, text, `#`, and the sum of the text's bytes in two digits.

use crate::common::{harness, repository};
use harness::guest::elf::Linked;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

/// A debugger.
struct Gdb(TcpStream);

impl Gdb {
    fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        Self(stream)
    }

    fn send(&mut self, text: &str) {
        let sum = text.bytes().fold(0_u8, u8::wrapping_add);
        write!(self.0, "${text}#{sum:02x}").unwrap();
    }

    /// The text of the next packet, which is acknowledged.
    fn receive(&mut self) -> String {
        let mut text = Vec::new();
        let mut byte = [0];
        let mut inside = false;
        loop {
            self.0.read_exact(&mut byte).unwrap();
            match byte[0] {
                b'$' => inside = true,
                b'#' => break,
                byte if inside => text.push(byte),
                // An acknowledgement.
                _ => {}
            }
        }
        self.0.read_exact(&mut [0; 2]).unwrap();
        self.0.write_all(b"+").unwrap();
        String::from_utf8(text).unwrap()
    }

    /// The answer to a question. That the machine has stopped may be told before it, once more.
    fn ask(&mut self, text: &str) -> String {
        self.send(text);
        loop {
            let answer = self.receive();
            if !answer.starts_with('T') {
                return answer;
            }
        }
    }
}

/// The command, which would wait for a debugger for ever where the test fails.
struct Run(Child);

impl Drop for Run {
    fn drop(&mut self) {
        // It has ended where all is well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "long"]
fn a_debugger_stops_the_guest_at_its_first_function_and_takes_its_time() {
    let mut command = harness(repository(), &["run", "stage1", "--solution", "--gdb", "--cmdline", "app=hello"]);
    let mut run = Run(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let child = &mut run.0;
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let line = said.find(|line| line.trim_start().starts_with("gdb ")).expect("the line to type");
    let words: Vec<&str> = line.split_whitespace().collect();
    let address = words.iter().find_map(|word| word.strip_suffix('\'').filter(|word| word.contains(':'))).unwrap();
    let elf = std::fs::read(words[1]).unwrap();
    let (start, _) = Linked::parse(&elf, Path::new(words[1])).unwrap().symbol("stardust_start").unwrap();

    let mut gdb = Gdb::connect(address);
    gdb.send("?");
    assert!(gdb.receive().starts_with('T'), "the machine stops when a debugger comes");
    let breakpoint = format!("1,{start:x},1");
    assert_eq!(gdb.ask(&format!("Z{breakpoint}")), "OK");
    gdb.send("c");
    assert!(gdb.receive().starts_with("T05"));
    // Behind the sixteen others comes rip, its lowest byte first.
    let registers = gdb.ask("g");
    assert_eq!(u64::from_str_radix(&registers[16 * 16..][..16], 16).unwrap().swap_bytes(), start);
    // Longer than anything else of dom0 may take: somebody looks around.
    std::thread::sleep(Duration::from_secs(40));
    assert!(child.try_wait().unwrap().is_none(), "it ended while it was looked at");
    assert_eq!(gdb.ask(&format!("z{breakpoint}")), "OK");
    gdb.send("c");
    let mut console = String::new();
    child.stdout.take().unwrap().read_to_string(&mut console).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{console}");
    assert!(console.ends_with("bye: poweroff\r\n"), "{console}");
}
