package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"mmsgw/client"
	"mmsgw/gateway"
)

// carriers is GET /v1/carriers.
func (s *Server) carriers(w http.ResponseWriter, r *http.Request, _ caller) error {
	v, err := query(r, "cursor", "limit")
	if err != nil {
		return err
	}
	limit, err := number(v, "limit", defaultLimit, 1, maxLimit)
	if err != nil {
		return err
	}
	all, err := s.lanes(r.Context())
	if err != nil {
		return err
	}
	if c := v.Get("cursor"); c != "" {
		last, err := openCursor(carrierMark, c)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(c client.Carrier) bool { return c.Name == last })
		if i < 0 { // it went away since
			return badCursor()
		}
		all = all[i+1:]
	}
	page := struct {
		Items      []client.Carrier `json:"items"`
		NextCursor *string          `json:"next_cursor"`
	}{Items: all}
	if len(all) > limit {
		page.Items, page.NextCursor = all[:limit], cursorTo(carrierMark, all[limit-1].Name)
	}
	return answerJSON(w, http.StatusOK, page)
}

// pause is POST /v1/carriers/{name}/pause and /resume.
func (s *Server) pause(pause bool) call {
	return func(w http.ResponseWriter, r *http.Request, who caller) error {
		if _, err := query(r); err != nil {
			return err
		}
		if _, err := s.small(w, r, nil, nil); err != nil {
			return err
		}
		name := r.PathValue("name")
		if _, err := s.lane(r.Context(), name); err != nil {
			return err
		}
		news, err := s.Operations.Pause(r.Context(), name, pause, who.name)
		if err != nil {
			return err
		}
		if news {
			word := map[bool]string{true: "paused", false: "resumed"}[pause]
			s.Log.InfoContext(r.Context(), "api: carrier "+word, gateway.KeyCarrier, name, gateway.KeyWho, who.name)
		}
		c, err := s.lane(r.Context(), name)
		if err != nil {
			return err
		}
		return answerJSON(w, http.StatusOK, c)
	}
}

// lane is one carrier by its name.
func (s *Server) lane(ctx context.Context, name string) (*client.Carrier, error) {
	all, err := s.lanes(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(c client.Carrier) bool { return c.Name == name })
	if i < 0 {
		return nil, notFound("carrier")
	}
	return &all[i], nil
}

// lanes are all carriers: those of the configuration, then those of an earlier
// one that left something behind.
func (s *Server) lanes(ctx context.Context) ([]client.Carrier, error) {
	rows, err := s.Operations.Lanes(ctx)
	if err != nil {
		return nil, err
	}
	backlog, err := s.Operations.Backlog(ctx)
	if err != nil {
		return nil, err
	}
	status := map[string]gateway.LaneStatus{}
	waits := map[string][]gateway.Backlog{}
	var left []string
	for _, row := range rows {
		status[row.Lane], left = row, append(left, row.Lane)
	}
	for _, b := range backlog {
		waits[b.Lane], left = append(waits[b.Lane], b), append(left, b.Lane)
	}
	all := []client.Carrier{}
	for _, l := range s.Links() {
		c := wireLane(l.Name, status[l.Name], waits[l.Name])
		c.Configured, c.Protocol, c.InFlight = true, l.Protocol, l.InFlight
		c.Limits = &client.Limits{PerSecond: l.PerSecond, Burst: l.Burst, Count: l.Count, PerDay: l.PerDay, DayZone: l.DayZone,
			Window: l.Window, MaxMessage: l.MaxMessage, MaxRecipients: l.MaxRecipients}
		all = append(all, c)
	}
	slices.Sort(left)
	for _, name := range slices.Compact(left) {
		if !slices.ContainsFunc(all, func(c client.Carrier) bool { return c.Name == name }) {
			all = append(all, wireLane(name, status[name], waits[name]))
		}
	}
	return all, nil
}

// laneStates are the words for what a lane stands for.
var laneStates = map[gateway.Reason]string{
	"": "going", gateway.CarrierPaused: "paused", gateway.LaneStopped: "stopped", gateway.BreakerOpen: "breaker_open", gateway.DailyCap: "daily_cap",
}

func wireLane(name string, s gateway.LaneStatus, waits []gateway.Backlog) client.Carrier {
	why, until := s.Holds()
	c := client.Carrier{Name: name, State: laneStates[why], Reason: wireReason(why), NextTryAt: known(until), Backlog: []client.Backlog{}}
	if s.Reason != "" {
		c.Code, c.Since = s.Code, known(s.Since)
	}
	if s.Paused {
		c.PausedAt, c.PausedBy = known(s.PausedAt), s.PausedBy
	}
	var oldest, next time.Time
	for _, b := range behind(s, waits) {
		c.Backlog = append(c.Backlog, client.Backlog{State: string(b.State), Reason: wireReason(b.Reason), Count: b.Count, OldestAt: known(b.Oldest), NextAt: known(b.Next)})
		c.Waiting += b.Count
		oldest, next = earlier(oldest, b.Oldest), earlier(next, b.Next)
	}
	c.OldestAt, c.NextAt = known(oldest), known(next)
	return c
}

// behind tells what waits for its turn in a lane that stands as each delivery is
// told (Delivery.Behind): held, for what the lane stands for. What was held for
// that before is counted with it.
func behind(s gateway.LaneStatus, waits []gateway.Backlog) []gateway.Backlog {
	why, until := s.Holds()
	var told []gateway.Backlog
	for _, b := range waits {
		if why != "" && b.State == gateway.Queued && b.Reason == gateway.WaitingTurn {
			b.State, b.Reason, b.Next = gateway.Held, why, until
		}
		i := slices.IndexFunc(told, func(t gateway.Backlog) bool { return t.State == b.State && t.Reason == b.Reason })
		if i < 0 {
			told = append(told, b)
			continue
		}
		told[i].Count += b.Count
		told[i].Oldest, told[i].Next = earlier(told[i].Oldest, b.Oldest), earlier(told[i].Next, b.Next)
	}
	slices.SortFunc(told, func(a, b gateway.Backlog) int {
		return cmp.Or(a.State.Rank()-b.State.Rank(), cmp.Compare(a.State, b.State), cmp.Compare(a.Reason, b.Reason))
	})
	return told
}

// earlier is the earlier of two times, where zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func wireReason(r gateway.Reason) *client.Reason {
	if r == "" {
		return nil
	}
	return &client.Reason{Code: string(r), Message: r.Text()}
}

// reload is POST /v1/reload.
func (s *Server) reload(w http.ResponseWriter, r *http.Request, who caller) error {
	if _, err := query(r); err != nil {
		return err
	}
	if _, err := s.small(w, r, nil, nil); err != nil {
		return err
	}
	changed, err := s.Reload(r.Context(), who.name)
	switch {
	case err != nil && changed != nil: // it was taken over, but that could not be told
		return err
	case err != nil:
		return problem(http.StatusUnprocessableEntity, "configuration_refused", err.Error())
	case changed == nil:
		changed = []string{}
	}
	return answerJSON(w, http.StatusOK, struct {
		Changed []string `json:"changed"`
	}{changed})
}
