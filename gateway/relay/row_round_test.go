package relay_test

import (
	"testing"
	"time"

	"mmsgw/gateway"
)

// TestRowPeopleGoRoundWhatStands: what a person retries or releases goes by the
// first carrier of its route that goes, as a new message does.
func TestRowPeopleGoRoundWhatStands(t *testing.T) {
	town(t, func(c *city) {
		content := gateway.Result{Outcome: gateway.Rejected, Reason: gateway.RefusedContent, Code: "2004", Counts: true}
		c.carriers["north"].say(content)
		failed := c.submit(want())
		held := c.submit(want(later(time.Hour)))
		c.does(gateway.ToHold, held)
		c.wait(2 * time.Hour)
		c.is(gateway.Failed, gateway.RefusedContent, failed)
		c.carriers["north"].say(taken)
		c.pause("north", true)
		c.wait(time.Minute)
		c.does(gateway.ToRetry, failed)
		c.does(gateway.ToRelease, held)
		c.wait(time.Minute)
		c.is(gateway.Delivered, gateway.Retrieved, failed, held)
		for _, id := range []gateway.ID{failed, held} {
			if d := c.delivery(id); d.Lane != "south" {
				t.Errorf("sent by %s", d.Lane)
			}
		}
	}, agreed(), agreed())
}

// TestRowAcceptedAsItStopped: a message that was checked while its carrier went
// and is stored when that stands already goes on with the next.
func TestRowAcceptedAsItStopped(t *testing.T) {
	town(t, func(c *city) {
		c.pause("north", true) // by another node, say: this one has not heard of it
		now := time.Now()
		m := &gateway.Message{ID: gateway.NewID(), Account: "acme", From: from, Channel: gateway.MMS, Text: "hi", Priority: gateway.Normal, Report: true,
			CreatedAt: now, ValidUntil: now.Add(time.Hour), IdemHash: []byte{1}}
		c.wait(time.Minute)
		m.Deliveries = []gateway.Delivery{{MessageID: m.ID, Of: 1, Account: m.Account, Recipient: alice, Lane: "north", Spare: "south", Priority: m.Priority,
			State: gateway.Queued, Reason: gateway.WaitingTurn, Claim: gateway.ByGateway, Ready: true, Due: m.ValidUntil, ValidUntil: m.ValidUntil, WantsReport: true, UpdatedAt: now}}
		if _, err := c.store.Accept(t.Context(), gateway.Accept{Message: m}); err != nil {
			t.Fatal(err)
		}
		c.wait(time.Minute)
		c.is(gateway.Delivered, gateway.Retrieved, m.ID)
	}, agreed(), agreed())
}
