package main

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"mmsgw/client"
	"mmsgw/mm7"
	"mmsgw/simulator"
)

// reporting is a report as a carrier writes it.
func reporting(messageID, to, status string) []byte {
	d, _ := mm7.Preset(mm7.Presets()[0])
	return (&mm7.DeliveryReportReq{
		Head: mm7.Head{TransactionID: client.NewKey()}, MessageID: messageID, MMStatus: status, Date: mm7.DateTime(time.Now()),
		Recipient: mm7.Address{Value: to}, Sender: mm7.Address{Value: demoSender},
	}).Encode(d)
}

// tells posts a report that the gateway has to take.
func (w *town) tells(carrier, messageID, to, status string) {
	w.t.Helper()
	if code := w.report(carrier, reporting(messageID, to, status), simulator.Basic{Username: "north", Password: demoPassword}); code != http.StatusOK {
		w.t.Errorf("a report of %s is answered %d", carrier, code)
	}
}

// Case 34, by somebody who may report, but not this: another carrier. And one who has
// the right id, but the number of nobody, or of another recipient.
func TestCase34ReportOfAnotherCarrier(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{Fault: "no-report"}, quick)
	w.join("south", "647", simulator.Options{})
	w.serve(binary)
	id := w.post(number("416", 0), number("416", 1))
	until(t, "the carrier has both", func() bool { m := w.message(id); return m.Counts["sent"] == 2 })
	first := w.message(id).Deliveries[0]
	w.tells("south", first.CarrierMessageID, first.To, "Rejected")
	w.tells("north", first.CarrierMessageID, number("905", 7), "Rejected")
	kept := func() int {
		no := false
		page, err := w.client.Reports(t.Context(), client.ReportQuery{Matched: &no})
		if err != nil {
			t.Fatal(err)
		}
		return len(page.Items)
	}
	until(t, "both are kept", func() bool { return kept() == 2 })
	if m := w.message(id); m.Counts["sent"] != 2 {
		t.Errorf("reports that are not theirs moved them: %v", m.Counts)
	}
	w.tells("north", first.CarrierMessageID, first.To, "Retrieved")
	until(t, "the right one counts", func() bool { m := w.message(id); return m.Counts["delivered"] == 1 && m.Counts["sent"] == 1 })
}

// Case 33, at a carrier that gives every message the same id: the number tells them
// apart; where it does not, no report may end a message that is not its own as failed
// while the other is said to have arrived.
func TestCase33OneMessageIDForAll(t *testing.T) {
	t.Parallel()
	url := raw(t, func(c net.Conn, id string) bool {
		_, err := io.WriteString(c, strings.Replace(yes(id), "m-"+id, "m-the-same-for-all-of-them-01234567", 1))
		return err == nil
	})
	w := found(t, simulator.Options{}, quick)
	w.edit(w.mmsc.URL(), url)
	w.serve(binary)
	a, b := w.post(number("416", 0)), w.post(number("416", 1))
	for _, id := range []string{a, b} {
		w.becomes(id, "sent", "awaiting_report")
	}
	same := w.message(a).Deliveries[0].CarrierMessageID
	w.tells("north", same, number("416", 1), "Retrieved")
	w.becomes(b, "delivered", "retrieved")
	w.becomes(a, "sent", "awaiting_report")
	w.tells("north", same, number("416", 0), "Rejected")
	w.becomes(a, "undelivered", "recipient_rejected")
	w.becomes(b, "delivered", "retrieved")
}

// Case 33: what came before is not undone by what comes late, a thousand times over,
// nor does each of them make an event.
func TestCase33AThousandRepeats(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{Fault: "no-report"}, quick)
	w.serve(binary)
	id := w.post(number("416", 0))
	d := w.becomes(id, "sent", "awaiting_report")
	date := time.Now()
	preset, _ := mm7.Preset(mm7.Presets()[0])
	body := func(status string) []byte {
		return (&mm7.DeliveryReportReq{Head: mm7.Head{TransactionID: "t-" + status}, MessageID: d.CarrierMessageID, MMStatus: status, Date: mm7.DateTime(date),
			Recipient: mm7.Address{Value: d.To}, Sender: mm7.Address{Value: demoSender}}).Encode(preset)
	}
	for _, status := range []string{"Deferred", "Retrieved", "Expired", "Forwarded", "Deferred"} {
		reports := body(status)
		for range 200 {
			if code := w.report("north", reports, simulator.Basic{Username: "north", Password: demoPassword}); code != http.StatusOK {
				t.Fatalf("%s is answered %d", status, code)
			}
		}
	}
	w.becomes(id, "delivered", "retrieved")
	if story := w.story(id); len(story) > 3+1+2+2 { // three to be sent, one on the way, two of its end, two that are late
		t.Errorf("a thousand reports are told as %v", story)
	}
}
