//! `images/http` and `images/counter`: run by the harness, shipped to a Xen host, and copied to a folder of its own.

use crate::common::{harness, repository, run};
use crate::machine::shared;
use crate::stage6::{connect, forwarded, in_dom0};
use crate::stage7::tool as fat_tool;
use harness::course::FIRST_MAC;
use harness::prerequisites;
use harness::ui::Ui;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;

/// Asks on a connection that stays, and returns the first line of the answer and its content.
fn ask(stream: &mut BufReader<TcpStream>, path: &str) -> (String, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    stream.get_mut().write_all(request.as_bytes()).unwrap();
    let mut head: Vec<String> = Vec::new();
    while head.last().is_none_or(|line| !line.is_empty()) {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the connection ended behind {head:?}");
        head.push(line.trim_end().to_owned());
    }
    let length = head.iter().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    let mut content = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut content).unwrap();
    (head.swap_remove(0), String::from_utf8(content).unwrap())
}

#[test]
fn run_serves_a_page_on_a_port_of_this_machine() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let forward = format!("{port}:80");
    let mut child = harness(repository(), &["run", "http", "--forward", &forward, "--timeout", "120"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut console = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    while !said.contains("serving on port 80") {
        assert!(console.read_line(&mut said).unwrap() > 0, "the console ended:\n{said}");
    }
    assert!(said.contains("\naddress: 10.0.2.15\r\n"), "{said}");
    let mut stream = BufReader::new(connect(port));
    for _ in 0..2 {
        let (status, page) = ask(&mut stream, "/");
        assert_eq!(status, "HTTP/1.1 200 OK");
        assert!(page.ends_with("</html>\n"), "{page}");
    }
    assert_eq!(ask(&mut stream, "/none").0, "HTTP/1.1 404 Not Found");
    let harness = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(harness, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

/// Sends bytes, and returns all that comes back.
fn answer_to(port: u16, request: &[u8]) -> String {
    let mut stream = connect(port);
    stream.write_all(request).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

#[test]
fn what_is_shipped_boots_by_its_own_configuration_and_answers_nonsense_too() {
    let folder = tempfile::tempdir().unwrap();
    let said =
        run(repository(), &["image", "http", "--out", folder.path().to_str().unwrap(), "--check"]).with(0).stdout;
    assert!(said.contains("xl accepts it") && said.contains("xl create http.cfg"), "{said}");
    let machine = shared();
    for file in ["http.elf", "http.cfg"] {
        let content = std::fs::read(folder.path().join(file)).unwrap();
        machine.agent().put(&format!("/images/shipped/{file}"), &content).unwrap();
    }
    // Forwarded ports lead to the address that DHCP has for this one.
    let mac: Vec<String> = FIRST_MAC.iter().map(|byte| format!("{byte:02x}")).collect();
    let vif = format!("vif=[\"bridge=xenbr0,mac={}\"]", mac.join(":"));
    in_dom0(&machine, &format!("cd /images/shipped && xl create http.cfg '{vif}' </dev/null >log 2>&1 || cat log"));
    let page =
        "i=0; until wget -q -O - http://10.0.2.15/index.html; do i=$((i+1)); [ $i -lt 150 ] || exit 1; sleep 0.2; done";
    assert!(in_dom0(&machine, page).contains("<h1>Stardust</h1>"));
    let port = forwarded(&machine, 80);
    // Several requests in one piece, the last of which ends the connection.
    let many = [&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(20)[..], b"HEAD /nothing HTTP/1.0\r\n\r\n"].concat();
    let answers = answer_to(port, &many);
    assert_eq!((answers.matches("200 OK").count(), answers.matches("404 Not Found").count()), (20, 1), "{answers}");
    for (request, status) in [
        (&b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na=b"[..], "405"),
        (b"GET / HTTP/1.1\r\n\r\n", "400"),
        (b"\x00\xff\xfe\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n", "413"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "501"),
    ] {
        let answer = answer_to(port, request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    // In the middle of a request: nothing is said.
    assert_eq!(answer_to(port, b"GET / HT"), "");
    assert!(answer_to(port, b"GET /counts HTTP/1.0\r\n\r\n").contains("failed 0;"));
    // By the configuration, xl removes what has powered off: a moment later.
    let gone = "xl shutdown -w http; i=0; while xl list http 2>/dev/null; do i=$((i+1)); [ $i -lt 150 ] || exit 1; sleep 0.2; done";
    in_dom0(&machine, gone);
}

#[test]
#[ignore = "long"]
fn a_copy_elsewhere_is_an_application_of_its_own() {
    // Always the same folder, so that little is compiled the next time.
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("service");
    let of_ours = |path: &str| repository().join("images/http").join(path);
    for part in ["src", "content"] {
        std::fs::create_dir_all(copy.join(part)).unwrap();
        for entry in std::fs::read_dir(of_ours(part)).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, copy.join(part).join(path.file_name().unwrap())).unwrap();
        }
    }
    let manifest = std::fs::read_to_string(of_ours("Cargo.toml")).unwrap().replace("\"http\"", "\"service\"");
    let facade = format!("\"{}\"", repository().join("stages/stardust").display());
    // It lies within our workspace here, which it is no part of.
    let manifest = format!("{}\n[workspace]\n", manifest.replace("\"../../stages/stardust\"", &facade));
    std::fs::write(copy.join("Cargo.toml"), manifest).unwrap();
    std::fs::copy(repository().join("Cargo.lock"), copy.join("Cargo.lock")).unwrap();
    let image = copy.join("image");
    let arguments = ["build", "--manifest-path", copy.to_str().unwrap(), "--out", image.to_str().unwrap()];
    run(repository(), &arguments).with(0);
    let bytes = std::fs::read(image).unwrap();
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("Stardust") && !holds(repository().to_str().unwrap()), "it names this machine's folders");
}

#[test]
#[ignore = "long"]
fn an_application_finds_what_it_left_on_its_disk() {
    prerequisites::fat_tools(&Ui::new()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk.img");
    std::fs::write(&disk, vec![0; 4 << 20]).unwrap();
    let boot = || run(repository(), &["run", "counter", "--disk", disk.to_str().unwrap()]);
    let ended = boot().with(3);
    assert!(ended.stdout.contains("error: xvda: there is no sound file system"), "{}", ended.stdout);
    fat_tool("mkfs.vfat", &[disk.to_str().unwrap()]);
    for boots in 1..=2 {
        let ended = boot().with(0);
        assert!(ended.stdout.contains(&format!("\nboots: {boots}\r\n")), "{}", ended.stdout);
    }
    assert_eq!(fat_tool("mtype", &["-i", disk.to_str().unwrap(), "::boots.txt"]), b"2\n");
}

#[test]
fn what_is_no_application_is_refused_with_what_would_be() {
    let said = |arguments: &[&str]| run(repository(), arguments).with(64).stderr;
    assert!(said(&["run", "htp"]).contains("did you mean `http`?"));
    assert!(said(&["run", "images/http"]).contains("--manifest-path images/http"));
    assert!(said(&["run", "--manifest-path", "harness"]).contains("doesn't depend on stardust"));
    assert!(said(&["image", "--manifest-path", "nowhere"]).contains("copy images/http"));
    assert!(said(&["run", "http", "--solution=1a"]).contains("--base mine"));
    assert!(said(&["run"]).contains("NAME"));
}
