// Package client speaks to a running mmsgw: the wire types of its API, a Client
// over a Unix socket or HTTP, and an iterator over the feed of events. Daemon
// and clients share these types, so that the wire has one description.
//
// An error of Submit tells what is known of the message, and nothing more:
//
//   - *Problem: the daemon answered that it was not accepted, and why.
//   - *NotReachedError: it never got there whole; nothing was accepted.
//   - *UncertainError: it left, but no answer settles what became of it.
//     Repeating it with the same key can never make two.
//
// All other calls answer *Problem and *NotReachedError in the same sense; any
// other error leaves open whether what was asked for was done.
package client
