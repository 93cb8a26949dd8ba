//! Who is connected, and which connection makes room where there is none.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

/// How many connections there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MaxConnections {
    all: usize,
    of_peer: usize,
}

impl MaxConnections {
    /// Most, where descriptors allow it: far more than clients, few enough that each may hold its
    /// buffers.
    const MOST: usize = 512;
    /// Fewest by default, however few descriptors there are.
    const FEWEST: usize = 16;

    /// So many in all and of one peer. By default half of the descriptors that the process may
    /// open, at most 512, and a quarter of them for one peer.
    pub(crate) fn new(all: Option<usize>, of_peer: Option<usize>) -> MaxConnections {
        let all = all.unwrap_or_else(|| {
            let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
            // The other half is for files, which the tools open.
            let half = limit.map_or(Self::MOST, |limit| usize::try_from(limit / 2).unwrap_or(0));
            half.clamp(Self::FEWEST, Self::MOST)
        });
        MaxConnections { all, of_peer: of_peer.unwrap_or(all.div_ceil(4)).min(all) }
    }
}

/// Why there is no room: each connection has a request that is being answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    #[error("there are too many connections")]
    All,
    #[error("the peer has too many connections")]
    Peer,
}

/// Whom connections are counted for: an address, or the network of an IPv6 address, since one
/// machine has all addresses of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Peer {
    /// Everybody on this machine has the same address, so it has no limit of its own.
    Loopback,
    V4(u32),
    V6Network(u64),
}

impl Peer {
    fn of(address: IpAddr) -> Peer {
        match address.to_canonical() {
            address if address.is_loopback() => Peer::Loopback,
            IpAddr::V4(address) => Peer::V4(address.to_bits()),
            IpAddr::V6(address) => Peer::V6Network(network(address)),
        }
    }
}

/// The first 64 bits.
fn network(address: Ipv6Addr) -> u64 {
    u64::try_from(address.to_bits() >> 64).unwrap_or_default()
}

/// The connections.
pub(super) struct Table {
    most: MaxConnections,
    rows: Mutex<Rows>,
}

#[derive(Default)]
struct Rows {
    next: u64,
    connections: HashMap<u64, Row>,
}

struct Row {
    peer: Peer,
    /// Since when a request is expected of the peer, or the rest of one.
    asking: Option<Instant>,
    /// Since when the peer has not read of an answer.
    stalled: Option<Instant>,
    close: CancellationToken,
}

impl Row {
    fn waits_since(&self) -> Option<Instant> {
        [self.asking, self.stalled].into_iter().flatten().min()
    }
}

impl Rows {
    fn count_of(&self, peer: Peer) -> usize {
        self.connections.values().filter(|row| row.peer == peer).count()
    }

    /// Closes the one that has waited longest of those that `may` be closed.
    fn close_one(&mut self, may: impl Fn(Peer) -> bool) -> bool {
        let waiting = self.connections.iter().filter(|(_, row)| may(row.peer));
        let waiting = waiting.filter_map(|(id, row)| Some((row.waits_since()?, *id)));
        let Some((_, id)) = waiting.min() else { return false };
        self.close(id);
        true
    }

    /// Closes one of the peer that has most of those which wait.
    fn close_one_of_many(&mut self) -> bool {
        let mut counts: HashMap<Peer, usize> = HashMap::new();
        for row in self.connections.values().filter(|row| row.waits_since().is_some()) {
            *counts.entry(row.peer).or_default() += 1;
        }
        let most = counts.into_iter().max_by_key(|(_, count)| *count);
        most.is_some_and(|(peer, _)| self.close_one(|other| other == peer))
    }

    fn close(&mut self, id: u64) {
        if let Some(row) = self.connections.remove(&id) {
            row.close.cancel();
        }
    }
}

impl Table {
    pub(super) fn new(most: MaxConnections) -> Table {
        Table { most, rows: Mutex::default() }
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection in, where there is room or where one that waits can make room.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Arc<Place>, Full> {
        let (peer, mut rows) = (Peer::of(address), self.rows());
        let limited = peer != Peer::Loopback;
        if limited
            && rows.count_of(peer) >= self.most.of_peer
            && !rows.close_one(|other| other == peer)
        {
            return Err(Full::Peer);
        }
        if rows.connections.len() >= self.most.all && !rows.close_one_of_many() {
            return Err(Full::All);
        }
        let (id, close) = (rows.next, CancellationToken::new());
        rows.next += 1;
        let row = Row { peer, asking: Some(Instant::now()), stalled: None, close: close.clone() };
        rows.connections.insert(id, row);
        drop(rows);
        Ok(Arc::new(Place { table: Arc::clone(self), id, close }))
    }

    /// Closes the connection that has waited longest, if one waits.
    pub(super) fn make_room(&self) {
        self.rows().close_one(|_| true);
    }

    /// Closes all that wait.
    pub(super) fn close_waiting(&self) {
        let mut rows = self.rows();
        while rows.close_one(|_| true) {}
    }
}

/// A connection's place in the table; it is given back when dropped.
pub(super) struct Place {
    table: Arc<Table>,
    id: u64,
    close: CancellationToken,
}

impl Place {
    /// Waits until the connection must make room.
    pub(super) async fn closed(&self) {
        self.close.cancelled().await;
    }

    fn change(&self, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.table.rows().connections.get_mut(&self.id) {
            change(row);
        }
    }

    /// Says that the request has come whole: it is for the server to go on.
    pub(super) fn asked(&self) {
        self.change(|row| row.asking = None);
    }

    /// Says whether the peer does not read what is sent to it.
    pub(super) fn stalled(&self, stalled: bool) {
        self.change(|row| row.stalled = stalled.then(Instant::now));
    }

    /// Says, when what it gives is dropped, that it is for the peer to go on.
    pub(super) fn until_dropped(self: Arc<Self>) -> Over {
        Over(self)
    }
}

/// A connection's place as those see it who answer its request: beside the request.
#[derive(Clone)]
pub(crate) struct Turn(Arc<Place>);

impl Turn {
    pub(super) fn of(place: &Arc<Place>) -> Turn {
        Turn(Arc::clone(place))
    }

    /// Says, until what it gives is dropped, that the request waits for others of its own caller:
    /// its connection may make room for somebody else's.
    pub(crate) fn waits(&self) -> Waiting {
        self.0.change(|row| row.asking = Some(Instant::now()));
        Waiting(Arc::clone(&self.0))
    }
}

/// See [`Turn::waits`].
pub(crate) struct Waiting(Arc<Place>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.asked();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.table.rows().connections.remove(&self.id);
    }
}

/// While it is there, the server is at work for the peer.
pub(super) struct Over(Arc<Place>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.change(|row| row.asking = Some(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(all: usize, of_peer: usize) -> Arc<Table> {
        Arc::new(Table::new(MaxConnections::new(Some(all), Some(of_peer))))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn who_waits_longest_makes_room_and_who_works_never_does() {
        let table = table(3, 3);
        let local = address("127.0.0.1");
        let working = table.enter(local).unwrap();
        working.asked();
        let first = table.enter(local).unwrap();
        let second = table.enter(local).unwrap();
        let third = table.enter(local).unwrap();
        assert!(first.close.is_cancelled() && !second.close.is_cancelled());
        second.asked();
        third.asked();
        assert_eq!(table.enter(local).err(), Some(Full::All));
        // An answer that nobody reads holds no place, nor does one that was read.
        third.stalled(true);
        let fourth = table.enter(local).unwrap();
        assert!(third.close.is_cancelled() && !working.close.is_cancelled());
        fourth.asked();
        drop(Arc::clone(&second).until_dropped());
        assert!(table.enter(local).is_ok() && second.close.is_cancelled());
    }

    #[test]
    fn a_peer_has_its_share_and_an_ipv6_network_is_one_peer() {
        let table = table(4, 2);
        let enter = |text: &str| {
            let place = table.enter(address(text));
            if let Ok(place) = &place {
                place.asked();
            }
            place
        };
        let _held = [enter("2001:db8::1").unwrap(), enter("2001:db8::2").unwrap()];
        assert_eq!(enter("2001:db8::3").err(), Some(Full::Peer));
        let other = enter("192.0.2.1").unwrap();
        let mapped = enter("::ffff:192.0.2.1").unwrap();
        assert_eq!(enter("192.0.2.1").err(), Some(Full::Peer));
        assert_eq!(enter("127.0.0.1").err(), Some(Full::All));
        drop((other, mapped));
        let local = [enter("127.0.0.1").unwrap(), enter("::1").unwrap()];
        assert_eq!(local.len(), 2, "loopback is limited by the whole alone");
    }

    #[test]
    fn the_peer_that_waits_most_makes_room_for_others() {
        let table = table(4, 3);
        let honest = table.enter(address("192.0.2.1")).unwrap();
        let many: Vec<_> = (0..3).map(|_| table.enter(address("192.0.2.2")).unwrap()).collect();
        let _other = table.enter(address("192.0.2.3")).unwrap();
        assert!(many[0].close.is_cancelled() && !honest.close.is_cancelled());
    }

    #[test]
    fn who_waits_for_its_own_caller_makes_room_for_others() {
        let table = table(2, 2);
        let local = address("127.0.0.1");
        let [working, waiting] = [table.enter(local).unwrap(), table.enter(local).unwrap()];
        working.asked();
        waiting.asked();
        assert!(table.enter(local).is_err());
        drop(Turn::of(&waiting).waits());
        assert!(table.enter(local).is_err(), "its turn has come");
        let _waits = Turn::of(&waiting).waits();
        assert!(table.enter(local).is_ok());
        assert!(waiting.close.is_cancelled() && !working.close.is_cancelled());
    }

    #[test]
    fn a_place_is_given_back() {
        let table = table(1, 1);
        let place = table.enter(address("192.0.2.1")).unwrap();
        place.asked();
        assert!(table.enter(address("192.0.2.2")).is_err());
        drop(place);
        assert!(table.enter(address("192.0.2.2")).is_ok());
    }
}
