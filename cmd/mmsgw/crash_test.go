package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mmsgw/client"
	"mmsgw/simulator"
)

// The points between accept and report at which a build with the tag
// crashpoints kills itself.
var crashPoints = []string{"before-media", "after-media", "after-accept", "before-send", "after-send", "after-settle", "before-report", "after-report"}

const (
	resendPolicy = "first: 50ms, max: 200ms, unknown: resend, resend_max: 1000"
	waitPolicy   = "first: 50ms, max: 200ms, unknown: wait_for_report, unknown_wait: 2s, then: hold"
)

// siege is load on a gateway that dies again and again, and what must be true
// afterwards.
type siege struct {
	*town
	mu       sync.Mutex
	sent     map[string]sentMessage // by text
	accepted map[string]string      // text → id, of every 202
	next     atomic.Int64
	kills    []time.Time
}

// sentMessage is one submission.
type sentMessage struct {
	picture string // SHA-256 in hex
	to      string
}

func besiege(t *testing.T, database, policy string) *siege {
	return &siege{town: foundOn(t, database, simulator.Options{}, policy), sent: map[string]sentMessage{}, accepted: map[string]string{}}
}

// submit sends one message of its own until it is accepted: whatever happens
// to the daemon, it is repeated with its key.
func (s *siege) submit(ctx context.Context) {
	i := int(s.next.Add(1))
	text := fmt.Sprintf("message %d", i)
	picture := dot(s.t, i)
	sum := sha256.Sum256(picture)
	m := client.Submission{From: demoSender, To: []string{demoRecipient(i)}, Text: text, Key: "key " + text, Files: []client.File{client.FileOf("a.png", picture)}}
	s.mu.Lock()
	s.sent[text] = sentMessage{hex.EncodeToString(sum[:]), m.To[0]}
	s.mu.Unlock()
	for ctx.Err() == nil {
		done, err := s.client.Submit(ctx, m)
		var problem *client.Problem
		switch {
		case err == nil:
			s.mu.Lock()
			s.accepted[text] = done.Message.ID
			s.mu.Unlock()
			return
		case errors.As(err, &problem) && problem.Status < 500:
			s.t.Errorf("%s was refused: %v", text, err)
			return
		}
		pause(ctx, 20*time.Millisecond)
	}
}

// load submits n messages, a few at a time, and returns when all are accepted.
func (s *siege) load(ctx context.Context, n int) {
	var group sync.WaitGroup
	turns := make(chan struct{}, n)
	for range n {
		turns <- struct{}{}
	}
	close(turns)
	for range 6 {
		group.Go(func() {
			for range turns {
				s.submit(ctx)
			}
		})
	}
	group.Wait()
}

// dot is a small picture that no other number has.
func dot(t *testing.T, i int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, 8, 8))
	img.SetRGBA(i%8, i/8%8, color.RGBA{R: uint8(i), G: uint8(i >> 8), B: 99, A: 255})
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Error(err)
	}
	return b.Bytes()
}

// settled follows the feed until every accepted message has come to rest, and
// gives the states they rest in, with the feed's own account of them.
func (s *siege) settled(ctx context.Context, rests func(text string, d *client.Delivery) bool) (states map[string]*client.Delivery, uncertain map[string]int) {
	s.t.Helper()
	texts := map[string]string{}
	for text, id := range s.accepted {
		texts[id] = text
	}
	states, uncertain = map[string]*client.Delivery{}, map[string]int{}
	begun := map[string]int{}
	resting := 0
	for e, err := range s.client.Events(ctx, client.EventQuery{}) {
		if err != nil {
			s.t.Fatal(err)
		}
		switch e.Type {
		case "message.accepted":
			begun[e.Message]++
			if texts[e.Message] == "" || begun[e.Message] > 1 {
				s.t.Errorf("%s was accepted %d times, but no submission was answered so", e.Message, begun[e.Message])
			}
			continue
		case "delivery.uncertain":
			uncertain[texts[e.Message]]++
		}
		text := texts[e.Message]
		was := states[text] != nil && rests(text, states[text])
		m, err := s.client.Message(ctx, e.Message)
		if err != nil {
			s.t.Fatal(err)
		}
		states[text] = &m.Deliveries[0]
		if is := rests(text, states[text]); is != was {
			resting += map[bool]int{true: 1, false: -1}[is]
		}
		if resting == len(s.accepted) {
			return states, uncertain
		}
	}
	for text, id := range s.accepted {
		if states[text] == nil || !rests(text, states[text]) {
			s.t.Errorf("%s %s does not come to rest: %+v", text, id, states[text])
		}
	}
	s.t.FailNow()
	return nil, nil
}

// arrivals are the submissions the carrier accepted, by text, in order; each
// must be what was sent.
func (s *siege) arrivals() map[string][]simulator.Submission {
	got := map[string][]simulator.Submission{}
	for _, a := range s.mmsc.MMSC.Seen() {
		if !a.Accepted {
			s.t.Errorf("the carrier refused a request: %+v", a.Problems)
			continue
		}
		sent, known := s.sent[a.Text]
		if !known || len(a.Images) != 1 || a.Images[0].SHA256 != sent.picture || !slices.Equal(a.To, []string{sent.to}) {
			s.t.Errorf("the carrier got what nobody sent: %q to %q", a.Text, a.To)
		}
		got[a.Text] = append(got[a.Text], a)
	}
	return got
}

// judgeResend holds the end against the promise of unknown: resend. Every 202
// ends delivered, none lost, none invented; a message comes twice only where
// a kill lay between, and then says so.
func (s *siege) judgeResend(ctx context.Context) {
	s.t.Helper()
	states, uncertain := s.settled(ctx, func(_ string, d *client.Delivery) bool { return d.State == "delivered" })
	got := s.arrivals()
	copies := 0
	for text := range s.accepted {
		arrived := got[text]
		if len(arrived) == 0 {
			s.t.Errorf("%s is delivered, but the carrier never got it", text)
		}
		if len(arrived) < 2 {
			continue
		}
		copies += len(arrived) - 1
		if extra := len(arrived) - 1; !states[text].PossibleDuplicate || uncertain[text] < extra {
			s.t.Errorf("%s came %d times; told as possible duplicate: %v, as uncertain: %d times", text, len(arrived), states[text].PossibleDuplicate, uncertain[text])
		}
		for i := range arrived[1:] {
			if !s.killedBetween(arrived[i].At, arrived[i+1].At) {
				s.t.Errorf("%s came at %v and again at %v, and nothing was killed between", text, arrived[i].At, arrived[i+1].At)
			}
		}
	}
	s.t.Logf("%d messages, %d kills, %d copies too many", len(s.accepted), len(s.kills), copies)
}

// killedBetween allows for the request that the carrier reads from its socket
// just after its sender died.
func (s *siege) killedBetween(a, b time.Time) bool {
	return slices.ContainsFunc(s.kills, func(k time.Time) bool { return k.After(a.Add(-500*time.Millisecond)) && k.Before(b) })
}

// judgeWait holds the end against the promise of unknown: wait_for_report.
// Nothing is sent twice; what the carrier has ends delivered, by its report;
// what never reached it ends held.
func (s *siege) judgeWait(ctx context.Context) (held int) {
	s.t.Helper()
	reached := func(text string) bool {
		return slices.ContainsFunc(s.mmsc.MMSC.Seen(), func(a simulator.Submission) bool { return a.Text == text })
	}
	_, _ = s.settled(ctx, func(text string, d *client.Delivery) bool {
		if d.State == "held" && d.Reason.Code == "ambiguous_outcome" {
			return !reached(text)
		}
		return d.State == "delivered" && reached(text)
	})
	got := s.arrivals()
	for text := range s.accepted {
		switch len(got[text]) {
		case 0:
			held++
		case 1:
		default:
			s.t.Errorf("%s was sent %d times", text, len(got[text]))
		}
	}
	s.t.Logf("%d messages, %d held", len(s.accepted), held)
	return held
}

// dieAt lets the gateway kill itself at a point under load, starts it again and
// waits until every submission is answered.
func (s *siege) dieAt(ctx context.Context, program, point string) {
	s.t.Helper()
	p := s.serve(program, "MMSGW_CRASH_AT="+point)
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		s.load(ctx, 30)
	}()
	select {
	case <-p.over:
	case <-ctx.Done():
		s.t.Fatalf("the gateway never got to %s", point)
	}
	s.kills = append(s.kills, time.Now())
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		s.t.Fatalf("it ended by itself: %v\n%s", p.cmd.ProcessState, p.log)
	}
	s.serve(program)
	<-loaded
}

// judge holds the end against the promise of a policy, and tells how many are
// held.
func (s *siege) judge(ctx context.Context, policy string) (held int) {
	s.t.Helper()
	if policy == resendPolicy {
		s.judgeResend(ctx)
		return 0
	}
	return s.judgeWait(ctx)
}

var policies = map[string]string{"resend": resendPolicy, "wait": waitPolicy}

// Kill -9 at every named point between accept and report.
func TestKilledAtEveryPoint(t *testing.T) {
	t.Parallel()
	program, err := crashBinary()
	if err != nil {
		t.Fatal(err)
	}
	for _, point := range crashPoints {
		for name, policy := range policies {
			t.Run(point+" "+name, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				s := besiege(t, "", policy)
				s.dieAt(ctx, program, point)
				held := s.judge(ctx, policy)
				if policy == waitPolicy && point == "before-send" && held == 0 {
					t.Error("what was about to be sent should be held")
				}
			})
		}
	}
}

// On PostgreSQL the lane is the dead node's until its lease runs out.
func TestKilledOnPostgres(t *testing.T) {
	t.Parallel()
	program, err := crashBinary()
	if err != nil {
		t.Fatal(err)
	}
	for _, point := range []string{"after-accept", "after-send"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			s := besiege(t, postgres(t), resendPolicy)
			s.dieAt(ctx, program, point)
			s.judgeResend(ctx)
		})
	}
}

// Kills at random times under load: fifty where what is uncertain is sent
// again, some where it waits for a report.
func TestKilledAtRandom(t *testing.T) {
	t.Parallel()
	for name, kills := range map[string]int{"resend": 50, "wait": 15} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			s := besiege(t, "", policies[name])
			s.storm(ctx, kills)
			s.judge(ctx, policies[name])
		})
	}
}

// storm kills the gateway at random times under load, and returns when it runs
// again and every submission is answered.
func (s *siege) storm(ctx context.Context, kills int) {
	s.t.Helper()
	seed := rand.Uint64()
	s.t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	loading, enough := context.WithCancel(ctx)
	defer enough()
	tokens := make(chan struct{}, 1000)
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			for {
				select {
				case <-tokens:
					s.submit(ctx)
				case <-loading.Done():
					return
				}
			}
		})
	}
	for range kills {
		p := s.serve(binary)
		for len(tokens) < 15 {
			tokens <- struct{}{}
		}
		pause(ctx, time.Duration(chance.Int64N(int64(400*time.Millisecond))))
		s.kills = append(s.kills, time.Now())
		p.kill()
	}
	s.serve(binary)
	enough()
	group.Wait()
	if len(s.accepted) < 2*kills || len(s.accepted) != len(s.sent) {
		s.t.Fatalf("%d accepted of %d submitted; want all, and %d at least", len(s.accepted), len(s.sent), 2*kills)
	}
}
