package carrier

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mmsgw/gateway"
	"mmsgw/mm7"
)

// Reports takes what carriers report. It returns when the report is durable;
// an error makes the carrier repeat it.
type Reports interface {
	Report(ctx context.Context, r gateway.Report) error
}

// Set is all carriers, by name. It is a gateway.Carriers, and the
// http.Handler of the carriers' listener.
type Set struct {
	sink Reports
	all  atomic.Pointer[map[string]member]
}

// member is a link with what takes its reports.
type member struct {
	*Link
	handler *mm7.Handler
}

// NewSet joins links whose reports go to sink. Two of one name are an error.
func NewSet(sink Reports, links ...*Link) (*Set, error) {
	s := &Set{sink: sink}
	return s, s.Replace(links...)
}

// Replace puts other links in place of those there are. Requests under way end
// with the link that they began with.
func (s *Set) Replace(links ...*Link) error {
	all := map[string]member{}
	for _, l := range links {
		if all[l.Name()].Link != nil {
			return fmt.Errorf("two carriers are named %q; their reports could not be told apart", l.Name())
		}
		all[l.Name()] = member{l, l.handler(s.sink)}
	}
	s.all.Store(&all)
	return nil
}

// Link is the carrier of that name; nil where there is none.
func (s *Set) Link(name string) *Link { return (*s.all.Load())[name].Link }

// Measure counts the bytes of the whole request as sent for one recipient; 0
// for a carrier that there is not.
func (s *Set) Measure(carrier string, m *gateway.Message) int64 {
	l := s.Link(carrier)
	if l == nil {
		return 0
	}
	return l.Measure(m)
}

// Cap is the largest request the carrier takes, in bytes; 0: no limit.
func (s *Set) Cap(carrier string) int64 {
	l := s.Link(carrier)
	if l == nil {
		return 0
	}
	return l.o.MaxMessage
}

// ServeHTTP takes POST /mm7/{carrier}. Who the caller is not is found out
// before anything it wrote is read.
func (s *Set) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ours := strings.CutPrefix(r.URL.Path, "/mm7/")
	l := (*s.all.Load())[name]
	if !ours || l.Link == nil {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "reports are posted", http.StatusMethodNotAllowed)
		return
	}
	switch status := l.gate.admit(r); status {
	case http.StatusOK:
		l.handler.ServeHTTP(w, r)
		return
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Basic realm="mmsgw", charset="UTF-8"`)
		http.Error(w, "credentials are missing or wrong", status)
	default:
		http.Error(w, "not from here", status)
	}
	if n, tell := l.strangers.count(l.o.Now()); tell {
		l.o.Log.Warn("a report was refused: its sender is not who the carrier is configured to be",
			gateway.KeyCarrier, name, gateway.KeyRemote, r.RemoteAddr, gateway.KeyCount, n)
	}
}

// quiet is the least time between two lines of the log on strangers: whoever
// knocks without end fills no disk.
const quiet = time.Minute

// strangers counts callers that were refused since the log told of them.
type strangers struct {
	mu    sync.Mutex
	n     int
	until time.Time // no line before
}

// count counts one more, and tells of how many the log is to tell now.
func (s *strangers) count(now time.Time) (n int, tell bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	if now.Before(s.until) {
		return 0, false
	}
	n, s.n, s.until = s.n, 0, now.Add(quiet)
	return n, true
}

// gate tells who may report as a carrier.
type gate struct {
	open  bool
	login [sha256.Size]byte // of user and password: one length, so that the comparison tells nothing
	from  []netip.Prefix
}

func newGate(o Options) gate {
	g := gate{open: o.ReportLogin == nil && o.ReportOpen, from: o.ReportFrom}
	if o.ReportLogin != nil {
		g.login = loginSum(o.ReportLogin.Username, o.ReportLogin.Password)
	}
	return g
}

// loginSum is over user and password; a colon can't stand in the first
// (RFC 7617, section 2), so no two logins have one sum.
func loginSum(user, password string) [sha256.Size]byte {
	return sha256.Sum256([]byte(user + ":" + password))
}

// admit is the HTTP status for a caller: 200, or 403 by its address, or 401.
func (g *gate) admit(r *http.Request) int {
	if len(g.from) > 0 && !g.fromHere(r.RemoteAddr) {
		return http.StatusForbidden
	}
	if g.open {
		return http.StatusOK
	}
	user, password, ok := r.BasicAuth()
	sum := loginSum(user, password)
	if subtle.ConstantTimeCompare(sum[:], g.login[:]) != 1 || !ok {
		return http.StatusUnauthorized
	}
	return http.StatusOK
}

func (g *gate) fromHere(remote string) bool {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	addr := peer.Addr().Unmap().WithZone("")
	for _, p := range g.from {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
