package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"mmsgw/capability"
	"mmsgw/config"
	"mmsgw/gateway"
	"mmsgw/gateway/carrier"
	"mmsgw/gateway/relay"
)

// setup is a configuration with all that follows from it before anything is
// opened: what check-config can judge, and a daemon runs with.
type setup struct {
	file    string
	env     func(string) (string, bool)
	config  *config.Config
	rules   *gateway.Rules
	people  *people
	numbers gateway.Numbers
}

// dialects are the presets a carrier may name, in the order they are told.
var dialects = []string{"rel-6-mm7-1-4", "rel-5-mm7-1-2"}

// loadSetup reads a configuration file. What is wrong with it, with the files
// it names or with the users it names is a config.Problems.
func loadSetup(file string, env func(string) (string, bool)) (*setup, error) {
	c, err := config.Load(file, env, config.Options{Dialects: dialects})
	if err != nil {
		return nil, err
	}
	s := &setup{file: file, env: env, config: c, rules: rulesOf(c)}
	var problems config.Problems
	fault := func(key string, err error) {
		problems = append(problems, config.Problem{File: file, Key: key, Message: err.Error()})
	}
	s.people = findPeople(c, fault)
	if s.numbers, err = openNumbers(c.Capability.File); err != nil {
		fault("capability.file", err)
	}
	for i := range c.Carriers {
		if _, err := carrier.New(linkOptions(&c.Carriers[i]), nil); err != nil {
			fault(fmt.Sprintf("carriers[%d]", i), err)
		}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	c.Warnings = append(c.Warnings, oddNumbers(c, file)...)
	return s, nil
}

// openNumbers reads the capability file; without one nothing is known of any
// number.
func openNumbers(file string) (gateway.Numbers, error) {
	if file == "" {
		return nobodyKnows{}, nil
	}
	f, err := capability.OpenFile(file, time.Now())
	if err != nil {
		return nil, err
	}
	return f, nil
}

// nobodyKnows answers where no source is configured.
type nobodyKnows struct{}

func (nobodyKnows) Lookup(_ context.Context, numbers []string) []capability.Result {
	results := make([]capability.Result, len(numbers))
	for i, n := range numbers {
		results[i].Profile = capability.Profile{Number: n, MMS: capability.Unknown, Source: "none"}
	}
	return results
}

// oddNumbers are the accounts' numbers from which nothing can be sent.
func oddNumbers(c *config.Config, file string) (odd config.Problems) {
	for i, a := range c.Accounts {
		for j, n := range a.Numbers {
			if gateway.ParseNumber(string(n.Number), "").Problem != gateway.NumberFine {
				odd = append(odd, config.Problem{File: file, Key: fmt.Sprintf("accounts[%d].numbers[%d]", i, j),
					Message: "is no number of the United States or Canada that can send; every message from it will be refused"})
			}
		}
	}
	return odd
}

// rulesOf is what eligibility reads of the configuration.
func rulesOf(c *config.Config) *gateway.Rules {
	r := &gateway.Rules{Accounts: map[string]*gateway.Account{}, Unknown: gateway.Severity(c.Capability.Unknown), Failed: gateway.Severity(c.Capability.Failed)}
	for i := range c.Accounts {
		r.Accounts[c.Accounts[i].ID] = accountOf(&c.Accounts[i])
	}
	for _, route := range c.Routes {
		// A route without a kind takes what its carrier's protocol sends.
		r.Routes = append(r.Routes, gateway.Route{Kind: gateway.MMS, From: route.From, To: route.To, Network: route.Network, Carriers: route.Carriers})
	}
	for _, carrier := range c.Carriers {
		if carrier.Cancel {
			r.Recalling = append(r.Recalling, carrier.Name)
		}
	}
	return r
}

func accountOf(a *config.Account) *gateway.Account {
	account := &gateway.Account{
		ID: a.ID, Numbers: map[gateway.Number]gateway.OwnNumber{}, DefaultRegion: a.DefaultRegion, Freshness: a.Freshness.D(),
		Standing: capability.Standing{Plan: capability.Plan(a.Plan), Credit: a.Credit, MMSEnabled: a.MMSEnabled, SMSEnabled: a.SMSEnabled, Suspended: a.Suspended},
	}
	kinds := map[string]gateway.Kind{"local": gateway.LongCode, "toll_free": gateway.TollFree}
	for _, n := range a.Numbers {
		account.Numbers[gateway.Number(n.Number)] = gateway.OwnNumber{Kind: kinds[n.Kind], Carriers: n.Carriers, Registered: n.Registered}
	}
	return account
}

// linkOptions say how a carrier is spoken to.
func linkOptions(c *config.Carrier) carrier.Options {
	return carrier.Options{
		Name: c.Name, URL: c.URL.Reveal(), Dialect: c.Dialect, Quirks: carrier.Quirks(c.Quirks), VASPID: c.VASPID, VASID: c.VASID,
		Login: loginOf(c.Auth.Basic), Connect: c.Timeouts.Connect.D(), Response: c.Timeouts.Response.D(), Report: c.Timeouts.Report.D(),
		MaxMessage: int64(c.Limits.MaxMessage), Window: c.Limits.Window, Group: policyOf(c).Group(), Outcomes: overridesOf(c.Outcomes),
		MessageID: carrier.IDRules{
			IgnoreCase:  slices.Contains(c.Reports.MessageID, "ignore_case"),
			IgnoreZeros: slices.Contains(c.Reports.MessageID, "ignore_leading_zeros"),
		},
		ReportLogin: loginOf(c.Reports.Basic), ReportFrom: prefixes(c.Reports.From), ReportOpen: c.Reports.Open,
	}
}

func loginOf(b *config.Basic) *carrier.Login {
	if b == nil {
		return nil
	}
	return &carrier.Login{Username: b.Username, Password: b.Password.Reveal()}
}

func prefixes(from []config.Prefix) []netip.Prefix {
	all := make([]netip.Prefix, len(from))
	for i, p := range from {
		all[i] = p.Prefix
	}
	return all
}

// verdicts are the configuration's words for what an answer means.
var verdicts = map[string]carrier.Override{
	"accepted":    {Outcome: gateway.Accepted, Counts: true},
	"retry":       {Outcome: gateway.RetryLater, Counts: true},
	"busy":        {Outcome: gateway.RetryLater},
	"reject":      {Outcome: gateway.Rejected, Counts: true},
	"reject_size": {Outcome: gateway.TooLarge, Reason: gateway.RefusedSize, Counts: true},
	"split":       {Outcome: gateway.Divided},
	"stop_sender": {Outcome: gateway.StopSender, Reason: gateway.SenderPaused},
	"stop_lane":   {Outcome: gateway.StopLane, Reason: gateway.LaneStopped},
	"unknown":     {Outcome: gateway.UnknownSent},
}

func overridesOf(outcomes []config.Outcome) []carrier.Override {
	all := make([]carrier.Override, len(outcomes))
	for i, o := range outcomes {
		all[i] = verdicts[o.Then]
		all[i].Code, all[i].Text, all[i].After = string(o.Code), o.Text, o.After.D()
		if o.Then == "reject" {
			all[i].Reason = gateway.Reason(o.Reason)
		}
	}
	return all
}

// policyOf is what was agreed with a carrier.
func policyOf(c *config.Carrier) relay.Policy {
	zone, err := time.LoadLocation(c.Limits.DayZone)
	if err != nil {
		zone = time.UTC // the configuration has refused it where it matters
	}
	return relay.Policy{
		PerSecond: c.Limits.PerSecond, Burst: c.Limits.Burst, Requests: c.Limits.Count == "requests", PerDay: c.Limits.PerDay, DayZone: zone,
		Window: c.Limits.Window, MaxRecipients: c.Limits.MaxRecipients, Recalls: c.Cancel,
		Retry:   relay.Retry{First: c.Retry.First.D(), Max: c.Retry.Max.D(), Attempts: c.Retry.Attempts},
		Unknown: relay.OnUnknown(c.Retry.Unknown), UnknownWait: c.Retry.UnknownWait.D(), Then: relay.OnUnknown(c.Retry.Then),
		ResendMax: c.Retry.ResendMax, SameID: c.Retry.ResendID == "same", ReportTimeout: c.Timeouts.Report.D(),
	}
}
