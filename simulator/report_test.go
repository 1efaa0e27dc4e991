package simulator_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mmsgw/mm7"
	"mmsgw/simulator"
)

// answered is a plain HTTP answer.
func answered(code int, body string) (*http.Response, error) {
	return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
}

func reportRsp(transactionID string, code int) string {
	return string(mm7.EncodeResponse(mustPreset(), &mm7.Response{
		Head: mm7.Head{TransactionID: transactionID}, Operation: mm7.OpDeliveryReportRsp, Status: mm7.Status{Code: code},
	}))
}

// TestReportRepeated: whatever is not a 1000 to this report is no answer to it.
func TestReportRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		logged := &lines{}
		g := &gateway{instead: func(n int, r *http.Request) (*http.Response, error) {
			at = append(at, time.Since(start))
			switch n {
			case 1:
				return nil, errors.New("connection refused")
			case 2:
				return answered(503, reportRsp("id-2", 1000))
			case 3:
				return answered(200, "")
			case 4:
				return answered(200, "<html>")
			case 5:
				return answered(200, reportRsp("id-2", 3000))
			case 6:
				return answered(200, reportRsp("id-1", 1000))
			case 7:
				return answered(302, "")
			case 8:
				<-r.Context().Done() // nobody answers
				return nil, r.Context().Err()
			case 9:
				return answered(200, strings.Repeat(" ", mm7.MaxEnvelope)+reportRsp("id-2", 1000))
			}
			return nil, nil
		}}
		ids := 0
		m := open(t, g, simulator.Options{
			NewID: func() string { ids++; return fmt.Sprint("id-", ids) },
			Log:   slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelWarn})),
		})
		submit(m, posted(t, preset(t, "rel-6-mm7-1-4"), message("tx-1")), nil)
		<-time.After(time.Minute)
		synctest.Wait()

		want := "[0s 200ms 600ms 1.4s 3s 6.2s 11.2s 16.2s 31.2s 36.2s]"
		if got := fmt.Sprint(at); got != want {
			t.Errorf("posted at %s, want %s", got, want)
		}
		got := m.Reports()
		if len(got) != 1 || !got[0].Answered || got[0].Tries != 10 || got[0].Status != "Retrieved" || got[0].To != recipient {
			t.Errorf("reports %+v", got)
		}
		if n := strings.Count(logged.String(), "\n"); n != 1 {
			t.Errorf("logged %d lines:\n%s", n, logged)
		}
	})
}

func TestReportGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gateway{instead: func(int, *http.Request) (*http.Response, error) { return answered(401, "") }}
		m := open(t, g, simulator.Options{Fault: "forwarded-then-retrieved"})
		submit(m, posted(t, preset(t, "rel-6-mm7-1-4"), message("tx-1")), nil)
		<-time.After(10*time.Minute - time.Second)
		if got := m.Reports(); len(got) != 0 {
			t.Errorf("too early: %+v", got)
		}
		<-time.After(10*time.Minute + 10*time.Second)
		synctest.Wait()
		got := m.Reports()
		if len(got) != 2 || got[0].Answered || got[0].Status != "Forwarded" || got[1].Status != "Retrieved" || !strings.Contains(got[0].Error, "HTTP 401") {
			t.Errorf("reports %+v", got)
		}
		if n := m.Totals().ReportsGivenUp; n != 2 {
			t.Errorf("%d given up", n)
		}
	})
}

func TestReportDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gateway{}
		m := open(t, g, simulator.Options{ReportDelay: time.Minute, Fault: "deferred-then-retrieved"})
		submit(m, posted(t, preset(t, "rel-6-mm7-1-4"), message("tx-1")), nil)
		<-time.After(time.Minute - 1)
		synctest.Wait()
		if got := g.story(); got != "" {
			t.Errorf("before its time: %s", got)
		}
		<-time.After(1)
		synctest.Wait()
		if got := g.story(); got != "report Deferred, report Retrieved" {
			t.Errorf("after: %s", got)
		}
	})
}

// TestWorkers: as many reports are under way as there are workers, and the others
// follow; a submission waits for none of them.
func TestWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		g := &gateway{}
		g.instead = func(int, *http.Request) (*http.Response, error) { <-release; return nil, nil }
		m := open(t, g, simulator.Options{Workers: 3})
		for i := range 10 {
			submit(m, posted(t, preset(t, "rel-6-mm7-1-4"), message(fmt.Sprint("tx-", i))), nil)
		}
		synctest.Wait()
		if g.posts != 3 {
			t.Errorf("%d reports are under way", g.posts)
		}
		close(release)
		synctest.Wait()
		if got := m.Totals().ReportsAnswered; got != 10 {
			t.Errorf("%d reports were answered", got)
		}
	})
}

// TestReportFirstUnanswered: the submission is answered all the same, later, and the
// report is repeated.
func TestReportFirstUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gateway{}
		g.instead = func(n int, r *http.Request) (*http.Response, error) {
			if n > 1 {
				return nil, nil
			}
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		m := open(t, g, simulator.Options{Fault: "report-first"})
		start := time.Now()
		submit(m, posted(t, preset(t, "rel-6-mm7-1-4"), message("tx-1")), g.told)
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("answered after %v", took)
		}
		<-time.After(time.Second)
		synctest.Wait()
		if got := g.story(); got != "answer, report Retrieved" {
			t.Errorf("what happened: %s", got)
		}
	})
}

// TestClose: reports that wait or are under way do not hold it up, and nothing that
// comes later has one.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gateway{instead: func(_ int, r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}}
		m := open(t, g, simulator.Options{Workers: 1})
		for range 3 {
			submit(m, posted(t, preset(t, "rel-6-mm7-1-4"), message("tx-1")), nil)
		}
		synctest.Wait()
		m.Close()
		if got := submit(m, posted(t, preset(t, "rel-6-mm7-1-4"), message("tx-1")), nil); got.String() != "status 1000" {
			t.Errorf("afterwards: %s", got)
		}
		synctest.Wait()
		if got := m.Reports(); len(got) != 0 || g.posts != 1 {
			t.Errorf("%d posts, reports %+v", g.posts, got)
		}
	})
}

// TestReportOverTheWire: what a gateway behind a socket gets of a report.
func TestReportOverTheWire(t *testing.T) {
	type got struct {
		header http.Header
		length int64
		report *mm7.DeliveryReportReq
	}
	reports := make(chan got, 1)
	gw := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		req, err := mm7.ParseRequest(r.Header.Get("Content-Type"), body)
		if err != nil || req.DeliveryReport == nil {
			t.Errorf("not a report: %v\n%s", err, body)
			return
		}
		reports <- got{r.Header, r.ContentLength, req.DeliveryReport}
		fmt.Fprint(w, reportRsp(req.TransactionID, 1000))
	}))
	defer gw.Close()
	m, err := simulator.New(simulator.Options{
		ReportTo: gw.URL + "/mm7/north", ReportAuth: simulator.Basic{Username: "north", Password: "secret"}, Preset: "rel-5-mm7-1-2",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	submit(m, posted(t, preset(t, "rel-5-mm7-1-2"), message("tx-1")), nil)
	r := <-reports
	if r.header.Get("Authorization") != "Basic bm9ydGg6c2VjcmV0" || r.header.Get("SOAPAction") != `""` ||
		r.header.Get("Content-Type") != `text/xml; charset="utf-8"` || r.length <= 0 {
		t.Errorf("headers %v, length %d", r.header, r.length)
	}
	if r.report.MessageID != m.Seen()[0].MessageID || r.report.MM7Version != "5.3.0" {
		t.Errorf("report %+v", r.report)
	}
}
