// Package api is the gateway's front over HTTP: the paths under /v1. It decodes
// and bounds what comes in, asks the domain, and writes what it says. Nothing
// is judged here but form: who asks, whether it is JSON, how large it is.
//
// The files follow a request: api (routing), peer (who asks), listen (sockets),
// body (bytes in, under a budget), json and submission (the message), multipart,
// messages, list, act, consent, events, media, carriers, reports (the calls),
// wire (domain to wire), problem (errors).
package api

import (
	"context"
	"log/slog"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"mmsgw/gateway"
)

// The rooms this one needs beside the domain.
type (
	// Media makes pictures of bytes and keeps them.
	Media interface {
		// Receive inspects a picture's bytes, which are its own from then on:
		// the Upload has ID, Type, Size and dimensions, or Fault where it is
		// none we take. Nothing is stored yet.
		Receive(b []byte) *gateway.Upload
		// Keep makes uploads durable and sets their Place.
		Keep(ctx context.Context, uploads []*gateway.Upload) error
		// Bytes reads a stored picture.
		Bytes(ctx context.Context, p gateway.Picture) ([]byte, error)
	}
	// Pictures knows which account may use which stored picture. The account
	// "" is the operators': it may use any.
	Pictures interface {
		// Picture finds one by its id, or answers gateway.ErrNotFound.
		Picture(ctx context.Context, account, id string) (gateway.Picture, error)
		// AddPicture lets an account use a kept picture.
		AddPicture(ctx context.Context, account string, p gateway.Picture) error
	}
	// Feed is the durable feed of events.
	Feed interface {
		After(ctx context.Context, q gateway.FeedQuery) (gateway.FeedPage, error)
		// Wait returns when an event later than after may be there, or ctx ends.
		Wait(ctx context.Context, after int64) error
		// Latest is the newest event's Seq, 0 before the first.
		Latest(ctx context.Context) (int64, error)
	}
)

// Link is a configured carrier as it is told: what was agreed with it, and how
// many requests are under way to it from this node.
type Link struct {
	Name          string
	Protocol      string
	PerSecond     float64
	Burst         int
	Count         string // recipients or requests
	PerDay        int
	DayZone       string
	Window        int
	MaxMessage    int64
	MaxRecipients int
	InFlight      int
}

// Options are what a Server works with. All are needed but those with a default.
type Options struct {
	Gateway    *gateway.Gateway
	Media      Media
	Pictures   Pictures
	Feed       Feed
	Operations gateway.Operations
	Links      func() []Link // the carriers of the configuration, in its order
	// Reload reads the configuration again and tells the keys that changed. An
	// error without them says what is wrong with it, one fault a line; nothing
	// changed then.
	Reload   func(ctx context.Context, who string) (changed []string, err error)
	Accounts func(uid uint32) []string // the accounts a local user may use
	Operator func(Peer) bool           // may act for every account
	Draining func() bool               // nothing new is taken; default never
	InFlight int64                     // bytes of uploads in memory at once; default and least see below
	Log      *slog.Logger              // default slog.Default
}

const (
	defaultInFlight = 64 << 20
	leastInFlight   = 32 << 20 // the largest body and all its pictures decoded from base64
)

// Server answers /v1.
type Server struct {
	Options
	mux    *http.ServeMux
	budget budget
	http   *http.Server
	stop   context.Context // ends when the server shuts down: nobody waits for events then
}

// New makes a server. Serve or ServeHTTP put it to work.
func New(o Options) *Server {
	if o.InFlight == 0 {
		o.InFlight = defaultInFlight
	}
	if o.Draining == nil {
		o.Draining = func() bool { return false }
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	s := &Server{Options: o, mux: http.NewServeMux()}
	s.budget.Weighted = semaphore.NewWeighted(max(o.InFlight, leastInFlight))
	s.routes()
	stop, cancel := context.WithCancel(context.Background())
	s.stop = stop
	s.http = s.server()
	s.http.RegisterOnShutdown(cancel)
	return s
}

// routes are all paths there are.
func (s *Server) routes() {
	s.route("/v1/messages", calls{"GET": s.list, "POST": s.submit})
	s.route("/v1/messages/check", calls{"POST": s.check})
	s.route("/v1/messages/{id}", calls{"GET": s.message})
	s.route("/v1/messages/{id}/events", calls{"GET": s.timeline})
	s.route("/v1/messages/{id}/cancel", calls{"POST": s.verb(gateway.ToCancel)})
	s.route("/v1/messages/{id}/retry", calls{"POST": s.verb(gateway.ToRetry)})
	s.route("/v1/messages/{id}/hold", calls{"POST": operators(s.verb(gateway.ToHold))})
	s.route("/v1/messages/{id}/release", calls{"POST": operators(s.verb(gateway.ToRelease))})
	s.route("/v1/actions", calls{"POST": operators(s.action)})
	s.route("/v1/events", calls{"GET": s.events})
	s.route("/v1/media", calls{"POST": s.upload})
	s.route("/v1/media/{id}", calls{"GET": s.media, "HEAD": s.media})
	s.route("/v1/numbers/{number}/opt-out", calls{"PUT": s.optOut, "DELETE": operators(s.optIn)})
	s.route("/v1/carriers", calls{"GET": operators(s.carriers)})
	s.route("/v1/carriers/{name}/pause", calls{"POST": operators(s.pause(true))})
	s.route("/v1/carriers/{name}/resume", calls{"POST": operators(s.pause(false))})
	s.route("/v1/reports", calls{"GET": operators(s.reports)})
	s.route("/v1/reports/{id}/link", calls{"POST": operators(s.link)})
	s.route("/v1/reload", calls{"POST": operators(s.reload)})
	s.mux.HandleFunc("/", s.nothing)
}

// call answers one request, or says with an error why not.
type call func(w http.ResponseWriter, r *http.Request, who caller) error

// calls are what a path offers, by method.
type calls map[string]call

func (s *Server) route(pattern string, offered calls) {
	var methods []string
	for m := range offered {
		methods = append(methods, m)
	}
	slices.Sort(methods)
	allow := strings.Join(methods, ", ")
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		who, err := s.caller(r)
		do, ok := offered[r.Method]
		switch {
		case err != nil:
		case !ok:
			w.Header().Set("Allow", allow)
			err = problem(http.StatusMethodNotAllowed, "method_not_allowed", "This path takes "+allow+" only.")
		default:
			err = do(w, r, who)
		}
		if err != nil {
			s.refuse(w, r, err)
		}
	})
}

// nothing answers for all other paths.
func (s *Server) nothing(w http.ResponseWriter, r *http.Request) {
	_, err := s.caller(r)
	if err == nil {
		err = problem(http.StatusNotFound, "not_found", "There is nothing at this path.")
	}
	s.refuse(w, r, err)
}

// ServeHTTP answers a request. Who asks is read from its connection, so that
// only what Serve accepted has a caller.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Body != nil && r.Body != http.NoBody {
		// Whatever becomes of the request, its body does not hold us up.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(idleBody))
	}
	// The mux would redirect a path that is not clean; a client of an API gets
	// what it asked for, or a 404.
	if p := r.URL.Path; path.Clean(p) != p {
		s.nothing(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}
