package simulator

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"mmsgw/mm7"
)

const (
	maxWaiting    = 100_000          // recipients whose reports are due; above, submissions are answered 4006
	answerTimeout = 10 * time.Second // after it a report counts as not answered
	firstBackoff  = 200 * time.Millisecond
	lastBackoff   = 5 * time.Second
	reportLife    = 10 * time.Minute // after it a report is given up
)

// reporter posts reports: a heap of those that wait for their time, one goroutine
// that hands them out when they are due, and workers that post.
type reporter struct {
	ctx    context.Context
	o      Options
	book   *book
	client *http.Client
	work   chan *chain
	wake   chan struct{} // the heap has a new first
	group  sync.WaitGroup

	mu      sync.Mutex
	waiting chainHeap
	open    int // chains that are not done, waiting or under way
	most    int // of them
}

func newReporter(ctx context.Context, o Options, b *book) *reporter {
	p := &reporter{ctx: ctx, o: o, book: b, work: make(chan *chain), wake: make(chan struct{}, 1), most: maxWaiting}
	if o.ReportTo == "" {
		return p
	}
	transport := o.Transport
	if transport == nil {
		transport = &http.Transport{
			MaxIdleConnsPerHost: 64,
			IdleConnTimeout:     time.Minute,
			DisableCompression:  true,
		}
	}
	p.client = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	p.group.Go(p.handOut)
	for range o.Workers {
		p.group.Go(p.postAll)
	}
	return p
}

// wait waits for the goroutines, whose context has ended.
func (p *reporter) wait() {
	p.group.Wait()
	if p.client != nil {
		p.client.CloseIdleConnections()
	}
}

// full tells that no more reports should be promised.
func (p *reporter) full() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open >= p.most
}

// add takes over chains that have reports left.
func (p *reporter) add(chains []*chain) {
	for _, c := range chains {
		if len(c.reports) == 0 || p.ctx.Err() != nil {
			continue
		}
		p.mu.Lock()
		p.open++
		p.mu.Unlock()
		p.put(c, c.delay)
	}
}

// put makes a chain due after a while; at once where a worker is idle.
func (p *reporter) put(c *chain, after time.Duration) {
	if after <= 0 {
		select {
		case p.work <- c:
			return
		default:
		}
	}
	c.due = time.Now().Add(after)
	p.mu.Lock()
	heap.Push(&p.waiting, c)
	isFirst := p.waiting[0] == c
	p.mu.Unlock()
	if isFirst {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

// handOut gives each chain to a worker when it is due.
func (p *reporter) handOut() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		c, after := p.due()
		if c != nil {
			select {
			case p.work <- c:
				continue
			case <-p.ctx.Done():
				return
			}
		}
		timer.Reset(after)
		select {
		case <-timer.C:
		case <-p.wake:
		case <-p.ctx.Done():
			return
		}
	}
}

// due takes the chain that is due, or tells how long there is none.
func (p *reporter) due() (*chain, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 {
		return nil, time.Hour
	}
	if after := time.Until(p.waiting[0].due); after > 0 {
		return nil, after
	}
	return heap.Pop(&p.waiting).(*chain), 0
}

func (p *reporter) postAll() {
	for {
		select {
		case c := <-p.work:
			p.post(c)
		case <-p.ctx.Done():
			return
		}
	}
}

// post tries the chain's next report and puts the chain back where there is more to do.
func (p *reporter) post(c *chain) {
	if again, more := p.try(c); more {
		p.put(c, again)
		return
	}
	p.mu.Lock()
	p.open--
	p.mu.Unlock()
}

// now tries a chain's first report before anything else happens.
func (p *reporter) now(c *chain) {
	if again, more := p.try(c); more {
		c.delay = again
	}
}

// try posts the first report of the chain and drops it when that is done with. It
// tells whether there is more to post and after what time.
func (p *reporter) try(c *chain) (after time.Duration, more bool) {
	if !c.of.goesOn(c) {
		c.reports = nil
		return 0, false
	}
	if c.tries == 0 {
		c.first = time.Now()
	}
	c.tries++
	err := p.send(&c.reports[0])
	if p.ctx.Err() != nil {
		return 0, false
	}
	if err != nil && !c.reports[0].forged && time.Since(c.first) < reportLife {
		if c.tries == 1 {
			p.o.Log.Warn("report not taken; it is repeated", "carrier_message_id", c.reports[0].MessageID, "error", err)
		}
		return min(firstBackoff<<min(c.tries-1, 10), lastBackoff), true
	}
	p.done(c, err)
	c.reports, c.tries = c.reports[1:], 0
	return 0, len(c.reports) > 0
}

// done records a report that was answered or is given up.
func (p *reporter) done(c *chain, err error) {
	r := &c.reports[0]
	entry := Report{
		At: p.o.Now().UTC(), TransactionID: r.TransactionID, MessageID: r.MessageID,
		From: r.Sender.Value, To: r.Recipient.Value, Status: r.MMStatus,
		Tries: c.tries, Answered: err == nil,
	}
	log := p.o.Log.With("carrier_message_id", r.MessageID, "recipient", masked(entry.To), "status", r.MMStatus, "tries", c.tries)
	if err != nil {
		entry.Error = err.Error()
		log.Error("report given up", "error", err)
	} else {
		log.Info("report answered")
	}
	p.book.report(entry)
}

// send posts a report once. An error tells why it was not taken: what counts is a 1000
// with the TransactionID of the report.
func (p *reporter) send(r *report) error {
	ctx, cancel := context.WithTimeout(p.ctx, answerTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.o.ReportTo, bytes.NewReader(r.encode(p.o.Dialect)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", `text/xml; charset="utf-8"`)
	req.Header["SOAPAction"] = []string{p.o.Dialect.SOAPAction}
	switch {
	case r.forged:
		req.SetBasicAuth(p.o.ReportAuth.Username, p.o.ReportAuth.Password+"?")
	case p.o.ReportAuth.Username != "":
		req.SetBasicAuth(p.o.ReportAuth.Username, p.o.ReportAuth.Password)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, mm7.MaxEnvelope+1))
	switch {
	case err != nil:
		return fmt.Errorf("read the answer to a report: %w", err)
	case len(body) > mm7.MaxEnvelope:
		return fmt.Errorf("the answer to a report has more than %d bytes", mm7.MaxEnvelope)
	}
	return judge(r, resp, body)
}

// judge tells what is wrong with the answer to a report; no free text of it.
func judge(r *report, resp *http.Response, body []byte) error {
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("a report was answered by HTTP %d", resp.StatusCode)
	}
	answer, err := mm7.ParseResponse(resp.StatusCode, resp.Header, body)
	switch {
	case errors.Is(err, mm7.ErrNoStatus):
		return err
	case err != nil:
		return fmt.Errorf("read the answer to a report: %w", err)
	case answer.Status.Code != 1000:
		return fmt.Errorf("a report was answered by StatusCode %d", answer.Status.Code)
	case answer.TransactionID != r.TransactionID:
		return errors.New("the answer to a report has another TransactionID")
	}
	return nil
}

// chainHeap has the chain that is due next in front.
type chainHeap []*chain

func (h chainHeap) Len() int           { return len(h) }
func (h chainHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h chainHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push adds a chain, for [heap.Push].
func (h *chainHeap) Push(c any) { *h = append(*h, c.(*chain)) }

// Pop takes the last, for [heap.Pop].
func (h *chainHeap) Pop() any {
	last := len(*h) - 1
	c := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return c
}
