package simulator

import (
	"slices"
	"time"

	"mmsgw/mm7"
)

// report is one report as it is posted, again and again to the byte.
type report struct {
	mm7.DeliveryReportReq
	read   bool // it is a ReadReplyReq of the same fields
	forged bool // it is posted once, with a wrong password
}

func (r *report) encode(d mm7.Dialect) []byte {
	if !r.read {
		return r.Encode(d)
	}
	return (&mm7.ReadReplyReq{
		Head:             r.Head,
		MMSRelayServerID: r.MMSRelayServerID,
		MessageID:        r.MessageID,
		Recipient:        r.Recipient,
		Sender:           r.Sender,
		TimeStamp:        r.Date,
		MMStatus:         r.MMStatus,
	}).Encode(d)
}

// final tells whether the message has come to its end with this recipient.
func (r *report) final() bool {
	return !r.forged && r.MMStatus != "Deferred" && r.MMStatus != "Forwarded"
}

// chain is the reports on one recipient, posted one after the other: the next when
// the one before was answered.
type chain struct {
	of      *taken
	ended   bool // for the recipient; taken guards it
	reports []report
	early   bool          // the first is posted before the submission is answered
	delay   time.Duration // before the first
	due     time.Time
	first   time.Time // when the front one was tried first
	tries   int
}

// chains are the reports that a submission will have, by the fault of each recipient.
func (m *MMSC) chains(s *arrival, f *fault, of *taken) []*chain {
	if m.o.ReportTo == "" {
		return nil
	}
	r := s.req.Recipients
	var all []*chain
	for i, to := range slices.Concat(r.To, r.Cc, r.Bcc) {
		if i == 0 && f.allButFirst {
			continue
		}
		own := s.plan.of(to.Value)
		if own == nil {
			own = f
		}
		c := &chain{of: of, early: own.early, delay: m.o.ReportDelay, reports: m.reportsOn(s, own, to)}
		if own.late {
			c.delay += m.o.LateBy
		}
		if len(c.reports) > 0 {
			all = append(all, c)
		}
	}
	return all
}

// reportsOn are those on one recipient; none where none was asked for.
func (m *MMSC) reportsOn(s *arrival, f *fault, to mm7.Address) []report {
	if f.silent {
		return nil
	}
	var all []report
	if s.req.DeliveryReport {
		all = m.deliveryReports(s, f, to)
	}
	if f.read {
		all = append(all, report{DeliveryReportReq: m.newReport(s, f, to, "Read"), read: true})
	}
	return all
}

func (m *MMSC) deliveryReports(s *arrival, f *fault, to mm7.Address) []report {
	var all []report
	if f.forged {
		all = append(all, report{DeliveryReportReq: m.newReport(s, f, to, "Rejected"), forged: true})
	}
	statuses := f.statuses
	if statuses == nil {
		statuses = []string{retrieved}
	}
	for i, status := range statuses {
		// The same report again is the same to the byte.
		if i > 0 && statuses[i-1] == status {
			all = append(all, all[len(all)-1])
			continue
		}
		all = append(all, report{DeliveryReportReq: m.newReport(s, f, to, status)})
	}
	return all
}

func (m *MMSC) newReport(s *arrival, f *fault, to mm7.Address, status string) mm7.DeliveryReportReq {
	id := s.req.TransactionID
	if !f.echo {
		id = m.o.NewID()
	}
	r := mm7.DeliveryReportReq{
		Head:              mm7.Head{TransactionID: id},
		MMSRelayServerID:  "mmsc",
		MessageID:         s.record.MessageID,
		Recipient:         to,
		Sender:            s.req.SenderAddress,
		Date:              mm7.DateTime(m.o.Now()),
		MMStatus:          status,
		MMStatusExtension: f.extension,
	}
	if f.twist != nil {
		f.twist(m, &r)
	}
	return r
}
