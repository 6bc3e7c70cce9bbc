//! What keeps us from listening at an address, in words: looked up when it has failed.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::base::Address;

use super::connect;

/// Descriptors that are looked at, over all processes, for who holds a socket.
const DESCRIPTORS_MAX: usize = 200_000;

/// Why [`super::bind`] failed there and what to do, as far as it can be known.
#[must_use]
pub fn obstacle(address: &Address, error: &io::Error) -> Option<String> {
    let errno = Errno::from_io_error(error)?;
    if matches!(errno, Errno::MFILE | Errno::NFILE) {
        return Some("raise the limit of open files (`ulimit -n`, LimitNOFILE)".into());
    }
    match address {
        Address::Inet(address) => inet(*address, errno),
        Address::Unix(path) => unix(path, errno),
    }
}

/// Whether this host does not have that address at all, as where IPv6 is switched off and a name
/// has an IPv6 address all the same.
#[must_use]
pub fn is_elsewhere(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT))
}

/// Whether the address is taken by no process that can be seen: the kernel may not have let go of
/// the sockets of one that was killed, as where they were in an io_uring.
#[must_use]
pub fn is_letting_go(address: &Address, error: &io::Error) -> bool {
    if Errno::from_io_error(error) != Some(Errno::ADDRINUSE) {
        return false;
    }
    match address {
        Address::Inet(address) => tcp_listener(address.port()).is_none(),
        Address::Unix(path) => {
            let found = fs::symlink_metadata(path);
            found.is_ok_and(|found| found.file_type().is_socket()) && unix_listener(path).is_none()
        }
    }
}

fn inet(address: SocketAddr, errno: Errno) -> Option<String> {
    let port = address.port();
    Some(match errno {
        Errno::ADDRINUSE => {
            let who = tcp_listener(port).map_or_else(
                || "somebody listens there already".into(),
                |holder| format!("{holder} listens on this port already"),
            );
            format!(
                "{who}: stop that, choose another --listen, or start beside another node with \
                 --share-port"
            )
        }
        Errno::ACCESS | Errno::PERM if port < 1024 => {
            "ports below 1024 need CAP_NET_BIND_SERVICE (AmbientCapabilities= in a systemd unit), \
             or choose a higher port"
                .into()
        }
        Errno::AFNOSUPPORT => "this kernel has no IPv6: choose an IPv4 address".into(),
        Errno::ADDRNOTAVAIL if address.is_ipv6() && !has_ipv6() => {
            "IPv6 is switched off on this host: choose an IPv4 address".into()
        }
        Errno::ADDRNOTAVAIL => {
            "this host does not have that address: `ip address` lists those that it has, and \
             0.0.0.0 stands for all"
                .into()
        }
        Errno::INVAL if is_link_local(address) => {
            "a link-local address needs its interface, as in [fe80::1%eth0]:8000".into()
        }
        _ => return None,
    })
}

fn is_link_local(address: SocketAddr) -> bool {
    matches!(address.ip(), IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// Whether any interface has an IPv6 address; yes where nobody says.
fn has_ipv6() -> bool {
    fs::read_to_string("/proc/net/if_inet6").map_or(true, |text| !text.is_empty())
}

fn unix(path: &Path, errno: Errno) -> Option<String> {
    let folder = path.parent().unwrap_or(path).display();
    Some(match errno {
        Errno::ADDRINUSE => format!(
            "{}: move that away, or choose another path",
            in_the_way(path)
        ),
        Errno::NOENT => format!("the folder {folder} is not there: make it"),
        Errno::NOTDIR => format!("{folder} is no folder"),
        Errno::ROFS => format!(
            "the file system of {folder} is read-only: choose a folder that may be written to, \
             such as /run"
        ),
        Errno::ACCESS | Errno::PERM => format!(
            "this user may not write to the folder {folder}, or not remove what another user \
             left in it"
        ),
        _ => return None,
    })
}

/// What stands at a socket's path.
fn in_the_way(path: &Path) -> String {
    let Ok(found) = fs::symlink_metadata(path) else {
        return "something was there, and is gone now".into();
    };
    let kind = found.file_type();
    if kind.is_symlink() {
        return match fs::metadata(path) {
            Err(_) => "a link that leads to nothing is there",
            Ok(target) if target.file_type().is_socket() => "a link to a socket is there",
            Ok(_) => "a link to something that is no socket is there",
        }
        .into();
    }
    if kind.is_dir() {
        return "a folder is there, not a socket".into();
    }
    if kind.is_file() {
        return "a plain file is there, not a socket".into();
    }
    if !kind.is_socket() {
        return "something that is no socket is there".into();
    }
    at_socket(path)
}

fn at_socket(path: &Path) -> String {
    let met = connect(&Address::Unix(path.to_owned()), None);
    let errno = met.map_or_else(|error| Errno::from_io_error(&error), |_| None);
    match errno {
        Some(Errno::PROTOTYPE) => "a socket of another kind is there".into(),
        Some(Errno::ACCESS | Errno::PERM) => {
            "a socket is there that this user may not connect to".into()
        }
        _ => unix_listener(path).map_or_else(
            || "somebody listens there already".into(),
            |holder| format!("{holder} listens there already"),
        ),
    }
}

/// `process 17 (nginx)`, where the system shows it to this user.
fn tcp_listener(port: u16) -> Option<String> {
    // proc(5): local address and port in hexadecimal, state (0A listens), inode.
    let wanted = format!(":{port:04X}");
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let listens = fields.get(3) == Some(&"0A") && fields.get(1)?.ends_with(&wanted);
        listens.then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
    };
    holder(&inodes(&["/proc/net/tcp", "/proc/net/tcp6"], inode))
}

fn unix_listener(path: &Path) -> Option<String> {
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let is_it = fields.get(7).is_some_and(|found| Path::new(found) == path);
        is_it.then(|| fields.get(6).map(|inode| (*inode).to_owned()))?
    };
    holder(&inodes(&["/proc/net/unix"], inode))
}

fn inodes(tables: &[&str], inode: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let texts = tables
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok());
    texts
        .flat_map(|text| text.lines().filter_map(&inode).collect::<Vec<_>>())
        .map(|inode| PathBuf::from(format!("socket:[{inode}]")))
        .collect()
}

/// The process that has one of these sockets open.
fn holder(sockets: &[PathBuf]) -> Option<String> {
    if sockets.is_empty() {
        return None;
    }
    let mut left = DESCRIPTORS_MAX;
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let pid = process.file_name().to_string_lossy().into_owned();
        let is_process = pid.bytes().all(|byte| byte.is_ascii_digit());
        // What is not ours to look into has no such folder for us.
        let Some(descriptors) = is_process
            .then(|| fs::read_dir(process.path().join("fd")).ok())
            .flatten()
        else {
            continue;
        };
        for descriptor in descriptors.flatten().take(left) {
            left -= 1;
            if fs::read_link(descriptor.path()).is_ok_and(|link| sockets.contains(&link)) {
                let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                return Some(format!("process {pid} ({})", name.trim()));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::{UnixDatagram, UnixListener};

    use super::super::{ListenOptions, bind};
    use super::*;

    /// A folder, gone with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let id = std::process::id();
            let folder = std::env::temp_dir().join(format!("altavoz-{id}-{name}"));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[track_caller]
    fn why(address: &Address) -> String {
        let error = bind(address, &ListenOptions::default()).expect_err("something is there");
        obstacle(address, &error).expect("a reason")
    }

    #[track_caller]
    fn says(path: &Path, words: &str) {
        let found = why(&Address::Unix(path.to_owned()));
        assert!(found.contains(words), "{found}");
    }

    #[test]
    fn what_stands_at_a_sockets_path_is_named_and_left_alone() {
        let folder = Folder::new("obstacles");
        let at = |name: &str| folder.0.join(name);
        fs::write(at("file"), "kept").unwrap();
        says(&at("file"), "a plain file is there");
        assert_eq!(fs::read_to_string(at("file")).unwrap(), "kept");
        fs::create_dir(at("folder")).unwrap();
        says(&at("folder"), "a folder is there");
        symlink(at("nothing"), at("dangling")).unwrap();
        says(&at("dangling"), "a link that leads to nothing");
        symlink(at("file"), at("to-file")).unwrap();
        says(&at("to-file"), "a link to something that is no socket");
        let _other = UnixDatagram::bind(at("datagrams")).unwrap();
        says(&at("datagrams"), "a socket of another kind");
        let _alive = UnixListener::bind(at("alive")).unwrap();
        let me = format!("process {} (", std::process::id());
        says(&at("alive"), &me);
        symlink(at("alive"), at("to-socket")).unwrap();
        says(&at("to-socket"), "a link to a socket");
        says(&at("missing/a.sock"), "is not there: make it");
        says(&at("file/a.sock"), "is no folder");
    }

    #[test]
    fn who_listens_on_a_port_is_named() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let found = why(&Address::Inet(taken.local_addr().unwrap()));
        let me = format!("process {} (", std::process::id());
        assert!(found.starts_with(&me), "{found}");
        assert!(found.contains("listens on this port already"), "{found}");
        let address = Address::Inet(taken.local_addr().unwrap());
        assert!(!is_letting_go(&address, &Errno::ADDRINUSE.into()));
        drop(taken);
        assert!(is_letting_go(&address, &Errno::ADDRINUSE.into()));
        assert!(!is_letting_go(&address, &Errno::ACCESS.into()));
    }

    #[test]
    fn an_address_of_another_host_is_said_to_be_one() {
        let address: Address = "192.0.2.1:0".parse().unwrap();
        let error = bind(&address, &ListenOptions::default()).expect_err("not ours");
        assert!(is_elsewhere(&error));
        assert!(why(&address).contains("this host does not have that address"));
    }

    #[test]
    fn a_refusal_has_its_reason_and_what_to_do() {
        let says = |address: &str, errno: Errno, words: &str| {
            let found = obstacle(&address.parse().unwrap(), &errno.into()).expect("a reason");
            assert!(found.contains(words), "{found}");
        };
        says("127.0.0.1:80", Errno::ACCESS, "CAP_NET_BIND_SERVICE");
        says("[::1]:8000", Errno::AFNOSUPPORT, "no IPv6");
        says("[fe80::1]:8000", Errno::INVAL, "[fe80::1%eth0]:8000");
        says("127.0.0.1:8000", Errno::MFILE, "LimitNOFILE");
        says("unix:/a/b", Errno::ROFS, "file system of /a is read-only");
        says("unix:/a/b", Errno::ACCESS, "may not write to the folder /a");
        let other = obstacle(&"127.0.0.1:8000".parse().unwrap(), &Errno::ACCESS.into());
        assert_eq!(other, None);
    }
}
