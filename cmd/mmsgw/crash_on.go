//go:build crashpoints

package main

import (
	"context"
	"os"
	"slices"
	"syscall"

	"mmsgw/gateway"
	"mmsgw/gateway/carrier"
	"mmsgw/gateway/relay"
)

// crashVariable names the point between accept and report at which the process
// kills itself, as kill -9 would, when it first gets there: before-media,
// after-media, after-accept, before-send, after-send, after-settle,
// before-report or after-report. Only a build with the tag crashpoints reads it.
const crashVariable = "MMSGW_CRASH_AT"

var crashPoint = os.Getenv(crashVariable)

// crash is one point.
func crash(point string) {
	if point == crashPoint {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way
	}
}

// crashing sets the points into the seams.
func crashing(s seams) seams {
	s.media = mediaPoints{s.media}
	s.messages = messagePoints{s.messages}
	s.reports = reportPoints{s.reports}
	s.queue = queuePoints{s.queue}
	s.lanes = slices.Clone(s.lanes)
	for i := range s.lanes {
		s.lanes[i].Link = linkPoints{s.lanes[i].Link}
	}
	return s
}

type mediaPoints struct{ gateway.Media }

func (p mediaPoints) Keep(ctx context.Context, uploads []*gateway.Upload) error {
	crash("before-media")
	err := p.Media.Keep(ctx, uploads)
	crash("after-media")
	return err
}

type durable = gateway.Messages // which has a method of its own name

type messagePoints struct{ durable }

func (p messagePoints) Accept(ctx context.Context, a gateway.Accept) (gateway.Accepting, error) {
	done, err := p.durable.Accept(ctx, a)
	crash("after-accept")
	return done, err
}

type linkPoints struct{ relay.Link }

func (p linkPoints) Send(ctx context.Context, d gateway.Dispatch) gateway.Result {
	crash("before-send")
	r := p.Link.Send(ctx, d)
	crash("after-send")
	return r
}

type queuePoints struct{ relay.Queue }

func (p queuePoints) Settle(s gateway.Settlement, done func(error)) {
	p.Queue.Settle(s, func(err error) {
		crash("after-settle")
		done(err)
	})
}

type reportPoints struct{ carrier.Reports }

func (p reportPoints) Report(ctx context.Context, r gateway.Report) error {
	crash("before-report")
	err := p.Reports.Report(ctx, r)
	crash("after-report")
	return err
}
