package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mmsgw/gateway"
)

// world is one store of one engine, and a second node on it where the engine
// has nodes.
type world struct {
	*Store
	t      *testing.T
	reopen func(func(*Options)) *Store
	now    time.Time
}

// onBoth runs a test on both engines.
func onBoth(t *testing.T, test func(t *testing.T, w *world)) {
	t.Run("sqlite", func(t *testing.T) { test(t, newWorld(t, "")) })
	t.Run("postgres", func(t *testing.T) { test(t, newWorld(t, postgresDSN(t))) })
}

// postgresDSN is a database of the test's own on the server that the test
// command started.
func postgresDSN(t testing.TB) string {
	admin := os.Getenv("MMSGW_TEST_POSTGRES")
	if admin == "" {
		if os.Getenv("MMSGW_TEST_ALL") == "1" {
			t.Fatal("MMSGW_TEST_POSTGRES is not set: run the suite by `make test`")
		}
		t.Skip("needs PostgreSQL: run the suite by `make test`")
	}
	db, err := sql.Open("pgx", admin)
	if err != nil {
		t.Fatal(err)
	}
	name := "t" + gateway.NewID().Hex()
	if _, err := db.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		db.Exec("DROP DATABASE " + name + " WITH (FORCE)")
		db.Close()
	})
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

func newWorld(t *testing.T, dsn string) *world {
	w := &world{t: t, now: time.Now().UTC().Truncate(time.Microsecond)}
	dir := t.TempDir()
	w.reopen = func(tune func(*Options)) *Store {
		o := Options{DSN: dsn, Now: func() time.Time { return w.now }, Poll: 20 * time.Millisecond,
			Fatal: func(err error) { t.Errorf("fatal: %v", err) }}
		if dsn == "" {
			o.Path = filepath.Join(dir, "mmsgw.db")
		}
		if tune != nil {
			tune(&o)
		}
		s, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	w.Store = w.reopen(nil)
	return w
}

const (
	sender = gateway.Number("+12125550123")
	alice  = gateway.Number("+14165550199")
	bob    = gateway.Number("+12025550111")
)

func (w *world) message(to ...gateway.Number) *gateway.Message {
	m := &gateway.Message{ID: gateway.NewID(), Account: "acme", From: sender, Channel: gateway.MMS, Text: "hi", Priority: gateway.Normal,
		Report: true, CreatedAt: w.now, ValidUntil: w.now.Add(24 * time.Hour), IdemHash: []byte{1}}
	for i, n := range to {
		m.Deliveries = append(m.Deliveries, gateway.Delivery{MessageID: m.ID, N: i, Of: len(to), Account: m.Account, Recipient: n, Lane: "north",
			Priority: m.Priority, State: gateway.Queued, Reason: gateway.WaitingTurn, Claim: gateway.ByGateway, Ready: true,
			Due: m.ValidUntil, ValidUntil: m.ValidUntil, WantsReport: true, UpdatedAt: w.now})
	}
	return m
}

func (w *world) accept(m *gateway.Message) *gateway.Message {
	w.t.Helper()
	if _, err := w.Accept(w.t.Context(), gateway.Accept{Message: m}); err != nil {
		w.t.Fatal(err)
	}
	return m
}

func (w *world) own() gateway.Lease {
	w.t.Helper()
	l, _, err := w.Own(w.t.Context(), "north", "node-1")
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func take(t testing.TB, s *Store, o gateway.Order) []gateway.Dispatch {
	t.Helper()
	got := make(chan []gateway.Dispatch, 1)
	s.Take(o, func(d gateway.Taken, err error) {
		if err != nil {
			t.Errorf("take: %v", err)
		}
		got <- d.Dispatches
	})
	return <-got
}

func (w *world) take(n int) []gateway.Dispatch {
	w.t.Helper()
	return take(w.t, w.Store, gateway.Order{Lease: w.own(), N: n, SameID: true})
}

func (w *world) settle(d gateway.Dispatch, r gateway.Result, next gateway.Next) {
	w.t.Helper()
	done := make(chan error, 1)
	var each []gateway.NextOf
	for _, n := range d.Attempt.Covers {
		each = append(each, gateway.NextOf{N: n, Next: next})
	}
	w.Settle(gateway.Settlement{Attempt: d.Attempt.ID, Lane: "north", Result: r, Next: each}, func(err error) { done <- err })
	if err := <-done; err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) accepted(d gateway.Dispatch, key string) {
	w.t.Helper()
	w.settle(d, gateway.Result{Outcome: gateway.Accepted, Code: "1000", CarrierKey: key},
		gateway.Next{State: gateway.Sent, Reason: gateway.AwaitingReport, Claim: gateway.ByCarrier, Status: "1000", Due: w.now.Add(72 * time.Hour)})
}

func (w *world) report(key string, to gateway.Number, status gateway.ReportStatus) gateway.Report {
	return gateway.Report{ID: gateway.NewID(), Lane: "north", CarrierKey: key, Recipient: to, Sender: sender, Status: status, Raw: string(status),
		At: w.now, ReceivedAt: w.now, Patience: 72 * time.Hour}
}

func (w *world) hear(r gateway.Report) {
	w.t.Helper()
	if err := w.Report(w.t.Context(), r); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) read(id gateway.ID) (*gateway.Message, []gateway.Attempt) {
	w.t.Helper()
	m, attempts, err := w.Message(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return m, attempts
}

func (w *world) state(id gateway.ID, n int, want gateway.State) {
	w.t.Helper()
	m, _ := w.read(id)
	if got := m.Deliveries[n].State; got != want {
		w.t.Errorf("delivery %d is %s, want %s", n, got, want)
	}
}

// types is the timeline in short.
func (w *world) types(id gateway.ID) []string {
	w.t.Helper()
	events, err := w.Timeline(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	var types []string
	for _, e := range events {
		types = append(types, e.Type)
	}
	return types
}

func (w *world) timeline(id gateway.ID, want ...string) {
	w.t.Helper()
	if got := w.types(id); fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("timeline\n got %v\nwant %v", got, want)
	}
}

// again applies due parked reports.
func (w *world) due() []gateway.Delivery {
	w.t.Helper()
	due, _, err := w.Due(context.Background(), w.now, 500)
	if err != nil {
		w.t.Fatal(err)
	}
	return due
}
