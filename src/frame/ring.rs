//! The ring: the one place that may lose frames, and the only queue between decoders and detectors.
//!
//! Each camera has an [`Inlet`] with a small bounded queue; all inlets of a lane share one lock, so
//! that *drop the oldest, count it, wake a worker* is one step. Workers take from the camera that was
//! served least recently, so overload is shared fairly. Of the workers that wait, the last to begin is
//! called first: what it touched is still in the caches, and at low load the memory of the others' sessions
//! stays untouched. A taken item holds one of its camera's permits until it is dropped: permits bound how
//! many pictures of one camera are out of the decoder's pool.
//!
//! Invariants, checked by `tests/ring_model.rs` over all interleavings of small programs:
//! items of one inlet come out in order with consecutive tickets; every item pushed is taken,
//! displaced, refused or handed back by `close`, exactly once; nobody waits for ever after `shut_down`.
//!
//! This file uses nothing of the crate but `super::sync`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::PoisonError;
use std::time::Duration;

use super::sync::{Arc, Condvar, Mutex, MutexGuard};

/// What a full inlet does with one more item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// Gives the oldest back to the pusher and stores the new one: live.
    DropOldest,
    /// Makes the pusher wait: recorded footage.
    Wait,
}

/// Settings of one inlet.
#[derive(Debug, Clone, Copy)]
pub struct InletOptions {
    /// Most items waiting, at least 1.
    pub capacity: usize,
    /// Most items taken and not yet dropped, at least 1.
    pub permits: usize,
    /// What happens at `capacity`.
    pub when_full: WhenFull,
}

/// What became of a pushed item.
#[derive(Debug, PartialEq, Eq)]
pub enum Pushed<T> {
    /// It waits in the queue.
    Stored,
    /// It waits in the queue; the oldest one had to leave.
    Displaced(T),
    /// The inlet is closed; here it is back.
    Refused(T),
}

/// What a worker got.
#[derive(Debug)]
pub enum Take<T> {
    /// The next item of the least recently served camera.
    Item(Taken<T>),
    /// Nothing came before the timeout.
    TimedOut,
    /// The ring is shut down.
    Ended,
}

/// An item in a worker's hands. Dropping it returns the permit.
#[derive(Debug)]
pub struct Taken<T> {
    /// The item.
    pub item: T,
    /// Its number among the items taken from this inlet, from 0 without gaps.
    pub ticket: u64,
    /// Returns the permit when dropped.
    pub permit: Permit<T>,
}

/// The right to hold one item of an inlet.
#[derive(Debug)]
pub struct Permit<T> {
    ring: Arc<Shared<T>>,
    inlet: u64,
}

/// A bounded multi-camera queue. Clones share it.
#[derive(Debug)]
pub struct Ring<T>(Arc<Shared<T>>);

/// One worker's place at the ring.
#[derive(Debug)]
pub struct Seat<T> {
    ring: Arc<Shared<T>>,
    bell: Arc<Condvar>,
}

/// One camera's way in.
#[derive(Debug)]
pub struct Inlet<T> {
    ring: Arc<Shared<T>>,
    id: u64,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    /// A queue has room, an inlet closed or drained.
    room: Condvar,
}

#[derive(Debug)]
struct State<T> {
    inlets: BTreeMap<u64, InletState<T>>,
    /// Bells of the workers that wait and were not called, the last to begin at the end.
    idle: Vec<Arc<Condvar>>,
    /// Workers that were called and have not woken yet. Each will look for an item, so an item that one of
    /// them can have calls nobody else.
    called: usize,
    next_inlet: u64,
    served: u64,
    ended: bool,
}

#[derive(Debug)]
struct InletState<T> {
    options: InletOptions,
    queue: VecDeque<T>,
    outstanding: usize,
    next_ticket: u64,
    last_served: u64,
    open: bool,
}

impl<T> InletState<T> {
    /// How many items workers could take now.
    fn to_take(&self) -> usize {
        self.queue.len().min(self.options.permits.saturating_sub(self.outstanding))
    }
}

impl<T> Clone for Ring<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Ring<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Ring<T> {
    /// A ring without inlets.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                inlets: BTreeMap::new(),
                idle: Vec::new(),
                called: 0,
                next_inlet: 0,
                served: 0,
                ended: false,
            }),
            room: Condvar::new(),
        }))
    }

    /// Adds a camera. Its inlet leaves the ring when it is dropped.
    #[must_use]
    pub fn inlet(&self, options: InletOptions) -> Inlet<T> {
        let mut state = self.0.lock();
        let id = state.next_inlet;
        state.next_inlet += 1;
        let options = InletOptions { capacity: options.capacity.max(1), permits: options.permits.max(1), ..options };
        let served = state.served;
        state.inlets.insert(
            id,
            InletState {
                options,
                queue: VecDeque::with_capacity(options.capacity),
                outstanding: 0,
                next_ticket: 0,
                last_served: served,
                open: true,
            },
        );
        Inlet { ring: Arc::clone(&self.0), id }
    }

    /// Adds a worker.
    #[must_use]
    pub fn seat(&self) -> Seat<T> {
        Seat { ring: Arc::clone(&self.0), bell: Arc::new(Condvar::new()) }
    }

    /// Ends the ring: pushes are refused, workers get what is still queued and then [`Take::Ended`].
    pub fn shut_down(&self) {
        let mut state = self.0.lock();
        state.ended = true;
        for inlet in state.inlets.values_mut() {
            inlet.open = false;
        }
        let idle = std::mem::take(&mut state.idle);
        state.called += idle.len();
        drop(state);
        idle.iter().for_each(|bell| bell.notify_one());
        self.0.room.notify_all();
    }
}

impl<T> Seat<T> {
    /// Takes the next item; waits for one, at most `timeout` when given.
    #[must_use]
    pub fn take(&self, timeout: Option<Duration>) -> Take<T> {
        let mut state = self.ring.lock();
        loop {
            if let Some((inlet, ticket, item)) = state.next() {
                drop(state);
                self.ring.room.notify_all();
                return Take::Item(Taken { item, ticket, permit: Permit { ring: Arc::clone(&self.ring), inlet } });
            }
            if state.ended {
                return Take::Ended;
            }
            state.idle.push(Arc::clone(&self.bell));
            let timed_out;
            (state, timed_out) = match timeout {
                None => (self.bell.wait(state).unwrap_or_else(PoisonError::into_inner), false),
                Some(timeout) => {
                    let waited = self.bell.wait_timeout(state, timeout);
                    let (state, outcome) = waited.unwrap_or_else(PoisonError::into_inner);
                    (state, outcome.timed_out())
                }
            };
            // Who is gone from the row was called: an item may wait for it, however late it wakes.
            let row = state.idle.len();
            state.idle.retain(|bell| !Arc::ptr_eq(bell, &self.bell));
            if state.idle.len() == row {
                state.called -= 1;
            } else if timed_out {
                return Take::TimedOut;
            }
        }
    }
}

impl<T> State<T> {
    /// Takes the next item of the camera that was served least recently: its inlet, its ticket and itself.
    fn next(&mut self) -> Option<(u64, u64, T)> {
        let (id, inlet) = self
            .inlets
            .iter_mut()
            .filter(|(_, inlet)| inlet.to_take() > 0)
            .min_by_key(|(id, inlet)| (inlet.last_served, **id))?;
        let item = inlet.queue.pop_front()?;
        self.served += 1;
        let ticket = inlet.next_ticket;
        inlet.next_ticket += 1;
        inlet.outstanding += 1;
        inlet.last_served = self.served;
        Some((*id, ticket, item))
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a step that may have made one more item to take: if nobody who was called can have it, calls the
    /// worker that began to wait last.
    fn call(&self, mut state: MutexGuard<'_, State<T>>) {
        let to_take: usize = state.inlets.values().map(InletState::to_take).sum();
        let bell = if to_take > state.called { state.idle.pop() } else { None };
        state.called += usize::from(bell.is_some());
        drop(state);
        if let Some(bell) = bell {
            bell.notify_one();
        }
    }
}

impl<T> Inlet<T> {
    /// Offers an item. With [`WhenFull::Wait`] it blocks until there is room or the inlet closes.
    pub fn push(&self, item: T) -> Pushed<T> {
        let mut state = self.ring.lock();
        loop {
            let Some(inlet) = state.inlets.get_mut(&self.id).filter(|i| i.open) else {
                return Pushed::Refused(item);
            };
            let full = inlet.queue.len() >= inlet.options.capacity;
            if full && inlet.options.when_full == WhenFull::Wait {
                state = self.ring.room.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let displaced = if full { inlet.queue.pop_front() } else { None };
            inlet.queue.push_back(item);
            self.ring.call(state);
            return displaced.map_or(Pushed::Stored, Pushed::Displaced);
        }
    }

    /// Refuses further pushes and hands back what nobody has taken yet.
    pub fn close(&self) -> Vec<T> {
        let mut state = self.ring.lock();
        let left = state.inlets.get_mut(&self.id).map_or_else(Vec::new, |inlet| {
            inlet.open = false;
            inlet.queue.drain(..).collect()
        });
        drop(state);
        self.ring.room.notify_all();
        left
    }

    /// Waits until nothing of this camera is queued or in a worker's hands.
    pub fn wait_drained(&self) {
        let mut state = self.ring.lock();
        while state.inlets.get(&self.id).is_some_and(|i| !i.queue.is_empty() || i.outstanding > 0) {
            state = self.ring.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T> Drop for Inlet<T> {
    fn drop(&mut self) {
        let mut state = self.ring.lock();
        let removed = state.inlets.remove(&self.id);
        drop(state);
        self.ring.room.notify_all();
        drop(removed);
    }
}

impl<T> Drop for Permit<T> {
    fn drop(&mut self) {
        let mut state = self.ring.lock();
        if let Some(inlet) = state.inlets.get_mut(&self.inlet) {
            inlet.outstanding = inlet.outstanding.saturating_sub(1);
        }
        self.ring.call(state);
        self.ring.room.notify_all();
    }
}
