package main

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"mmsgw/gateway"
	"mmsgw/gateway/api"
	"mmsgw/gateway/relay"
)

// meters count what happens, for Prometheus. The labels are carriers, codes and
// words of closed lists: no number, account or text is ever one.
type meters struct {
	registry *prometheus.Registry
	accepted prometheus.Counter
	refused  *prometheus.CounterVec
	attempts *prometheus.CounterVec
	dial     *prometheus.HistogramVec
	sent     *prometheus.HistogramVec
	reports  *prometheus.CounterVec
	reported *prometheus.HistogramVec
	changes  prometheus.Histogram
	commits  prometheus.Histogram
}

// seconds are buckets from a millisecond to a day: what a carrier does in an
// instant may also take it hours.
var seconds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 6 * 3600, 24 * 3600}

func newMeters() *meters {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: seconds}, labels)
	}
	m := &meters{
		registry: prometheus.NewRegistry(),
		accepted: prometheus.NewCounter(prometheus.CounterOpts{Name: "mmsgw_messages_accepted_total", Help: "Messages accepted."}),
		refused:  counter("mmsgw_messages_refused_total", "Messages refused, by the code of each blocking flag.", "code"),
		attempts: counter("mmsgw_attempts_total", "Requests to carriers, by what came of them.", "carrier", "kind", "outcome"),
		dial:     histogram("mmsgw_attempt_seconds", "How long requests to carriers took.", "carrier"),
		sent:     histogram("mmsgw_accepted_to_sent_seconds", "From a message's acceptance, or its send_at, to the carrier's yes.", "carrier"),
		reports:  counter("mmsgw_reports_total", "Reports that matched a delivery.", "carrier", "status"),
		reported: histogram("mmsgw_sent_to_report_seconds", "From the carrier's yes to its final report.", "carrier"),
		changes: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "mmsgw_commit_changes", Help: "Changes that one commit made durable.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 10)}),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "mmsgw_commit_seconds", Help: "How long commits took.", Buckets: seconds[:14]}),
	}
	m.registry.MustRegister(m.accepted, m.refused, m.attempts, m.dial, m.sent, m.reports, m.reported, m.changes, m.commits,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// judged counts a submission: accepted where there is no refusal.
func (m *meters) judged(r *gateway.Refusal) {
	if r == nil {
		m.accepted.Inc()
		return
	}
	told := map[string]bool{}
	for _, f := range r.Flags {
		if f.Severity == gateway.Block && !told[f.Code] {
			told[f.Code] = true
			m.refused.WithLabelValues(f.Code).Inc()
		}
	}
}

// dialled counts a request to a carrier.
func (m *meters) dialled(o relay.Observation) {
	m.attempts.WithLabelValues(o.Carrier, string(o.Kind), string(o.Outcome)).Inc()
	m.dial.WithLabelValues(o.Carrier).Observe(o.Took.Seconds())
	if o.Waited > 0 {
		m.sent.WithLabelValues(o.Carrier).Observe(o.Waited.Seconds())
	}
}

// heard counts a report that matched. took is from the carrier's yes, 0 where
// that is not known.
func (m *meters) heard(r *gateway.Report, took time.Duration) {
	m.reports.WithLabelValues(r.Lane, string(r.Status)).Inc()
	if took > 0 && !r.Status.Intermediate() {
		m.reported.WithLabelValues(r.Lane).Observe(took.Seconds())
	}
}

// batch counts a commit.
func (m *meters) batch(changes int, took time.Duration) {
	m.changes.Observe(float64(changes))
	m.commits.Observe(took.Seconds())
}

func (m *meters) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry, MaxRequestsInFlight: 4, Timeout: wholeTimeout})
}

// watch has what is asked for only when somebody looks: backlog, lanes, sizes.
func (m *meters) watch(d *daemon, front *api.Server) {
	m.registry.MustRegister(&gauges{d: d, front: front})
}

// gaugesEvery is how old what the store counts may be: counting a backlog of
// millions takes it a while.
const gaugesEvery = 10 * time.Second

// gauges collect the present state.
type gauges struct {
	d     *daemon
	front *api.Server

	mu   sync.Mutex
	at   time.Time
	last []prometheus.Metric
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	backlogDesc  = desc("mmsgw_backlog_deliveries", "Deliveries that wait, by why.", "carrier", "state", "reason")
	oldestDesc   = desc("mmsgw_backlog_oldest_seconds", "Age of the oldest delivery that waits.", "carrier")
	standsDesc   = desc("mmsgw_lane_stands", "1 while nothing leaves the lane: its breaker is open, it is stopped or paused, or the day's limit is used up.", "carrier", "reason")
	inflightDesc = desc("mmsgw_requests_in_flight", "Requests under way to a carrier from this node.", "carrier")
	uploadsDesc  = desc("mmsgw_uploads_in_flight_bytes", "Bytes of submissions and uploads in memory.")
	storeDesc    = desc("mmsgw_store_bytes", "Size of the database.")
	mediaDesc    = desc("mmsgw_media_bytes", "Size of the stored pictures, space laid out ahead included.")
)

// Describe is of a prometheus.Collector.
func (g *gauges) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{backlogDesc, oldestDesc, standsDesc, inflightDesc, uploadsDesc, storeDesc, mediaDesc} {
		c <- d
	}
}

// Collect is of a prometheus.Collector.
func (g *gauges) Collect(c chan<- prometheus.Metric) {
	c <- prometheus.MustNewConstMetric(uploadsDesc, prometheus.GaugeValue, float64(g.front.InFlight()))
	for _, l := range g.d.linkFacts() {
		c <- prometheus.MustNewConstMetric(inflightDesc, prometheus.GaugeValue, float64(l.InFlight), l.Name)
	}
	for _, m := range g.counted() {
		c <- m
	}
}

// counted is what the store had to count, a little while ago at most. What can't
// be had is left out.
func (g *gauges) counted() []prometheus.Metric {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.d.now()
	if now.Sub(g.at) < gaugesEvery {
		return g.last
	}
	ctx, cancel := context.WithTimeout(context.Background(), wholeTimeout/2)
	defer cancel()
	g.last, g.at = nil, now
	add := func(d *prometheus.Desc, v float64, labels ...string) {
		g.last = append(g.last, prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...))
	}
	lanes, err := g.d.store.Lanes(ctx)
	if err != nil {
		return nil
	}
	stands := map[string]gateway.Reason{}
	for _, l := range lanes {
		if why, _ := l.Holds(); why != "" {
			stands[l.Lane] = why
			add(standsDesc, 1, l.Lane, string(why))
		}
	}
	backlog, err := g.d.store.Backlog(ctx)
	if err != nil {
		return g.last
	}
	oldest := map[string]float64{}
	counts := map[[3]string]float64{}
	for _, b := range backlog {
		if why := stands[b.Lane]; why != "" && b.Reason == gateway.WaitingTurn {
			b.State, b.Reason = gateway.Held, why
		}
		counts[[3]string{b.Lane, string(b.State), string(b.Reason)}] += float64(b.Count)
		oldest[b.Lane] = max(oldest[b.Lane], now.Sub(b.Oldest).Seconds())
	}
	for k, n := range counts {
		add(backlogDesc, n, k[:]...)
	}
	for lane, age := range oldest {
		add(oldestDesc, age, lane)
	}
	if n, err := g.d.store.Size(ctx); err == nil {
		add(storeDesc, float64(n))
	}
	if n, err := g.d.blobs.Size(); err == nil {
		add(mediaDesc, float64(n))
	}
	return g.last
}
