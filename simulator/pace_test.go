package simulator_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mmsgw/mm7"
	"mmsgw/simulator"
)

// arriving hands over a request of n recipients.
func arriving(t *testing.T, m *simulator.MMSC, n int) {
	t.Helper()
	r := message("tx-1")
	for i := 1; i < n; i++ {
		r.Recipients.Bcc = append(r.Recipients.Bcc, mm7.Address{Value: fmt.Sprintf("+1416555%04d", i)})
	}
	submit(m, posted(t, mustPreset(), r), nil)
}

// TestRate: what an honest bucket lets through is never too much, and one more is.
func TestRate(t *testing.T) {
	for name, c := range map[string]struct {
		rate  simulator.Rate
		at    []time.Duration // of requests
		n     int             // recipients of each; 0: one
		want  []int           // counts of what is too much
		limit int
	}{
		"nobody looks":      {simulator.Rate{}, []time.Duration{0, 0, 0, 0}, 0, nil, 0},
		"one a second":      {simulator.Rate{PerSecond: 1}, seconds(0, 1, 2, 3), 0, nil, 1},
		"a little early":    {simulator.Rate{PerSecond: 1}, seconds(0, 0.999, 2), 0, []int{2}, 1},
		"one in two":        {simulator.Rate{PerSecond: 0.5}, seconds(0, 2, 3.5, 4.2), 0, []int{2}, 1},
		"slow, in a burst":  {simulator.Rate{PerSecond: 0.5, Burst: 3}, seconds(0, 0, 0, 2), 0, nil, 3},
		"slow, one more":    {simulator.Rate{PerSecond: 0.5, Burst: 3}, seconds(0, 0, 0, 0.9), 0, []int{4}, 3},
		"a whole burst":     {simulator.Rate{PerSecond: 4, Burst: 3}, seconds(0, 0, 0, 0.25, 0.5, 0.75, 1, 1.25), 0, nil, 6},
		"one more":          {simulator.Rate{PerSecond: 4, Burst: 3}, seconds(0, 0, 0, 0.25, 0.5, 0.75, 0.75, 1), 0, []int{7}, 6},
		"every one of them": {simulator.Rate{PerSecond: 2}, seconds(0, 0, 0, 0), 0, []int{3, 4}, 2},
		"a part of one":     {simulator.Rate{PerSecond: 2.5}, seconds(0, 0.4, 0.8, 1.2, 1.6), 0, nil, 3},
		"a second long ago": {simulator.Rate{PerSecond: 1}, seconds(0, 60, 60.5), 0, []int{2}, 1},
		"all long ago":      {simulator.Rate{PerSecond: 1, Burst: 3}, seconds(0, 0, 0, 60, 60, 60, 60.5), 0, []int{4}, 3},
		"by recipients":     {simulator.Rate{PerSecond: 2, Burst: 5, Count: simulator.ByRecipients}, seconds(0, 0.5, 1), 3, nil, 6},
		"too many":          {simulator.Rate{PerSecond: 2, Burst: 5, Count: simulator.ByRecipients}, seconds(0, 0.5, 0.6, 1.55), 3, []int{9}, 6},
		"many, by requests": {simulator.Rate{PerSecond: 2, Count: simulator.ByRequests}, seconds(0, 0.5, 1), 3, nil, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				logged := &lines{}
				m := open(t, nil, simulator.Options{Rate: c.rate, Log: slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelWarn}))})
				began := time.Now()
				for _, at := range c.at {
					<-time.After(time.Until(began.Add(at)))
					arriving(t, m, max(c.n, 1))
				}
				var counts []int
				for _, e := range m.Exceeded() {
					counts = append(counts, e.Count)
					if e.Limit != c.limit || e.At.Before(began) {
						t.Errorf("%+v, want the limit %d", e, c.limit)
					}
				}
				if !slices.Equal(counts, c.want) || m.Totals().RateExceeded != len(c.want) || strings.Count(logged.String(), "rate is exceeded") != len(c.want) {
					t.Errorf("counts %v, want %v; totals %+v, log\n%s", counts, c.want, m.Totals(), logged)
				}
			})
		})
	}
}

func seconds(s ...float64) []time.Duration {
	all := make([]time.Duration, len(s))
	for i := range s {
		all[i] = time.Duration(s[i] * float64(time.Second))
	}
	return all
}

// TestRateAgainstAll holds random arrivals against every second there is.
func TestRateAgainstAll(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			rate := simulator.Rate{PerSecond: float64(1 + rnd.IntN(8)), Burst: 1 + rnd.IntN(4)}
			limit := int(rate.PerSecond) + rate.Burst - 1
			m := open(t, nil, simulator.Options{Rate: rate})
			var at []time.Time
			for range 60 {
				<-time.After(time.Duration(rnd.IntN(int(2 * time.Second / time.Duration(limit)))))
				at = append(at, time.Now())
				arriving(t, m, 1)
			}
			var want, got []time.Time
			for i, end := range at {
				n := 0
				for _, a := range at[:i+1] {
					if end.Sub(a) < time.Second {
						n++
					}
				}
				if n > limit {
					want = append(want, end)
				}
			}
			for _, e := range m.Exceeded() {
				got = append(got, e.At)
			}
			if !slices.EqualFunc(got, want, time.Time.Equal) {
				t.Errorf("%+v: %d seconds have too much, want %d", rate, len(got), len(want))
			}
		})
	}
}

// TestRateCountsWhatCame: every HTTP request is one; recipients are of a SubmitReq that
// can be read, taken or not.
func TestRateCountsWhatCame(t *testing.T) {
	broken := posted(t, mustPreset(), message("tx-1"))
	broken.replace("</SubmitReq>", "")
	stranger := posted(t, mustPreset(), message("tx-1"))
	stranger.replace(">acme<", ">else<")
	get := &post{method: "GET"}
	for by, want := range map[string]int{simulator.ByRequests: 4, simulator.ByRecipients: 1} {
		m := open(t, nil, simulator.Options{VASPID: "acme", Rate: simulator.Rate{PerSecond: 1, Count: by}})
		for _, p := range []*post{cancel(mustPreset(), "x"), broken, get, stranger, posted(t, mustPreset(), message("tx-1"))} {
			submit(m, p, nil)
		}
		if got := m.Totals().RateExceeded; got != want {
			t.Errorf("by %s: %d times, want %d", by, got, want)
		}
	}
}

// TestRateLate: who is read late came when its request began.
func TestRateLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t, nil, simulator.Options{Rate: simulator.Rate{PerSecond: 1, Count: simulator.ByRecipients}})
		began := time.Now()
		p := posted(t, mustPreset(), message("tx-1"))
		arrive := make(chan struct{})
		r := p.request()
		r.Body = &held{Reader: strings.NewReader(p.body), until: arrive}
		done := make(chan struct{})
		go func() { defer close(done); m.ServeHTTP(&teller{ResponseRecorder: httptest.NewRecorder()}, r) }()
		synctest.Wait()
		<-time.After(500 * time.Millisecond)
		arriving(t, m, 1)
		<-time.After(5 * time.Second)
		arriving(t, m, 1)
		if got := m.Exceeded(); len(got) != 0 {
			t.Errorf("too early: %+v", got)
		}
		close(arrive)
		<-done
		if got := m.Exceeded(); len(got) != 1 || got[0].Count != 2 || !got[0].At.Equal(began.Add(500*time.Millisecond)) {
			t.Errorf("exceeded %+v", got)
		}
	})
}

// TestRateBounded: all are counted, the newest kept.
func TestRateBounded(t *testing.T) {
	m := open(t, nil, simulator.Options{Keep: 3, Rate: simulator.Rate{PerSecond: 1}, Now: func() time.Time { return time.Unix(0, 0) }})
	for range 10 {
		arriving(t, m, 1)
	}
	got := m.Exceeded()
	if len(got) != 3 || got[0].Count != 8 || got[2].Count != 10 || m.Totals().RateExceeded != 9 {
		t.Errorf("exceeded %+v, totals %+v", got, m.Totals())
	}
}

func TestBadRates(t *testing.T) {
	for want, r := range map[string]simulator.Rate{
		"rate is -1 per second": {PerSecond: -1},
		"0 to 1000000":          {PerSecond: 1e9},
		"burst of the rate":     {PerSecond: 1, Burst: -1},
		`counts "bytes"`:        {PerSecond: 1, Count: "bytes"},
	} {
		if _, err := simulator.New(simulator.Options{Rate: r}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q in it", r, err, want)
		}
	}
}
