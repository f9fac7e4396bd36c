//! Which of those who connect get a place, and who gives way for them.

mod members;
mod strangers;
mod tally;

use std::net::{IpAddr, Ipv6Addr};

pub(crate) use members::Members;
pub(crate) use strangers::{StrangerPlace, Strangers};

/// Whom an address counts for: itself, or the IPv6 network of one customer.
fn origin(remote: IpAddr) -> IpAddr {
    match remote.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        ip @ IpAddr::V4(_) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_one_network_count_as_one() {
        let of = |text: &str| origin(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2:ffff::"));
        assert_ne!(of("2001:db8:1:2::"), of("2001:db8:1:3::"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
