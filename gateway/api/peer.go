package api

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"

	"golang.org/x/sys/unix"

	"mmsgw/gateway"
)

// Peer is who sits at the other end of a Unix socket, as the kernel says.
type Peer struct {
	UID uint32
	GID uint32
	PID int32
}

type peerKey struct{}

// peerOf asks the kernel who connected (SO_PEERCRED, unix(7)).
func peerOf(c net.Conn) (Peer, bool) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return Peer{}, false
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return Peer{}, false
	}
	var cred *unix.Ucred
	if raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }) != nil || err != nil {
		return Peer{}, false
	}
	return Peer{UID: cred.Uid, GID: cred.Gid, PID: cred.Pid}, true
}

// connContext hands the peer of a connection to its requests.
func connContext(ctx context.Context, c net.Conn) context.Context {
	if c, ok := c.(*conn); ok && c.known {
		return context.WithValue(ctx, peerKey{}, c.peer)
	}
	return ctx
}

// caller is what a peer may do: act for its accounts, or, as an operator, for any.
type caller struct {
	name     string // for the record
	operator bool
	accounts []string
}

// caller tells who asks, or why nobody is answered.
func (s *Server) caller(r *http.Request) (caller, error) {
	peer, ok := r.Context().Value(peerKey{}).(Peer)
	if !ok {
		return caller{}, problem(http.StatusUnauthorized, "not_authorized", "This connection says nothing of who asks. Use the Unix socket.")
	}
	who := caller{name: fmt.Sprintf("uid %d", peer.UID), operator: s.Operator(peer), accounts: s.Accounts(peer.UID)}
	if !who.operator && len(who.accounts) == 0 {
		return caller{}, problem(http.StatusForbidden, "forbidden",
			"This user may use no account. Add it to the users of an account, or to the operators, in the configuration.")
	}
	return who, nil
}

// may tells whether the caller may see what belongs to an account.
func (c caller) may(account string) bool {
	return c.operator || slices.Contains(c.accounts, account)
}

// by is who is said to have acted on what belongs to an account: a service on
// its own, or an operator.
func (c caller) by(account string) gateway.Claim {
	if slices.Contains(c.accounts, account) {
		return gateway.ByGateway
	}
	return gateway.ByOperator
}

// operators lets only them make a call.
func operators(do call) call {
	return func(w http.ResponseWriter, r *http.Request, who caller) error {
		if !who.operator {
			return problem(http.StatusForbidden, "forbidden", "Only operators may do this. Add the user to the operators in the configuration, or ask one.")
		}
		return do(w, r, who)
	}
}

// scope is what the caller may see: nil is everything.
func (c caller) scope() []string {
	if c.operator {
		return nil
	}
	return c.accounts
}

// theAccount is the one a caller means who names none, or "".
func (s *Server) theAccount(who caller) string {
	if len(who.accounts) == 1 {
		return who.accounts[0]
	}
	if known := s.Gateway.Rules.Load().Accounts; who.operator && len(who.accounts) == 0 && len(known) == 1 {
		for id := range known {
			return id
		}
	}
	return ""
}

func foreignAccount() error {
	return problem(http.StatusForbidden, "forbidden", "This account is not one of the caller's.")
}
