package simulator

import (
	"net/http"
	"sync"
	"time"

	"mmsgw/mm7"
)

// Cancel is what an MMSC saw of one CancelReq, and what it answered.
type Cancel struct {
	At            time.Time `json:"at"`
	TransactionID string    `json:"transaction_id"`
	MessageID     string    `json:"message_id"`
	VASPID        string    `json:"vasp_id,omitempty"`
	VASID         string    `json:"vas_id,omitempty"`
	From          string    `json:"from,omitempty"`
	// Code is the StatusCode answered: 1000 where reports were stopped, 2005 for a
	// MessageID that was never told or is forgotten, 3001 where all recipients had
	// their final report, another where the request was refused. 0 is a fault about
	// the TransactionID.
	Code     int       `json:"code"`
	Fault    string    `json:"fault,omitempty"` // the misbehaviour it met
	Problems []Problem `json:"problems,omitempty"`
}

// taken is a message that was accepted, as a CancelReq finds it.
type taken struct {
	fault *fault

	mu       sync.Mutex
	open     int // recipients without a final report
	canceled bool
}

// goesOn tells whether a chain's next report is to be posted. With the first try at a
// final one the recipient has the message: what is canceled later is canceled too late.
func (t *taken) goesOn(c *chain) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !c.ended && t.canceled {
		return false
	}
	if !c.ended && c.reports[0].final() {
		c.ended = true
		t.open--
	}
	return true
}

// cancel stops the reports of all recipients without a final one, and gives the
// StatusCode for it. Once done it can be done again: the first answer may be lost.
func (t *taken) cancel() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open <= 0 && !t.canceled {
		return 3001
	}
	t.canceled = true
	return 1000
}

// shelf holds the newest messages by MessageID.
type shelf struct {
	mu    sync.Mutex
	keep  int
	byID  map[string]*taken
	order ring[string]
}

func (h *shelf) put(id string, t *taken) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.byID[id] = t
	if old, gone := h.order.add(id, h.keep); gone {
		delete(h.byID, old)
	}
}

func (h *shelf) find(id string) *taken {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.byID[id]
}

// cancelIn is the CancelReq of a body that was no SubmitReq for the reason of err.
func cancelIn(r *http.Request, body []byte, err error) *mm7.CancelReq {
	if !isCancel(err) {
		return nil
	}
	req, err := mm7.ParseRequest(r.Header.Get("Content-Type"), body)
	if err != nil {
		return nil
	}
	return req.Cancel
}

// incomplete is what a CancelReq must have and has not.
func incomplete(r *mm7.CancelReq) *refusal {
	switch {
	case r.TransactionID == "":
		return &refusal{0, []Problem{{"Header", "has no TransactionID"}}}
	case r.MessageID == "":
		return &refusal{2007, []Problem{{"CancelReq/MessageID", "is missing or empty"}}}
	}
	return nil
}

// canceling holds a CancelReq against what this MMSC speaks, like a submission.
func (c *checker) canceling(r *mm7.CancelReq, body []byte) *refusal {
	c.op = mm7.OpCancelReq
	c.req = &mm7.SubmitReq{Head: r.Head, VASPID: r.VASPID, VASID: r.VASID, SenderAddress: r.SenderAddress}
	if lacks := incomplete(r); lacks != nil {
		c.problems = append(c.problems, lacks.problems...)
	}
	c.dialect(body)
	c.identity()
	return c.verdict()
}

// cancelled deals with a CancelReq: does, records and answers it.
func (m *MMSC) cancelled(w http.ResponseWriter, s *arrival, refused *refusal) {
	r := s.cancel
	message := m.messages.find(r.MessageID)
	f := s.plan.fault
	if message != nil && message.fault.cancels() {
		f = message.fault
	}
	c := &Cancel{At: s.record.At, TransactionID: r.TransactionID, MessageID: r.MessageID, VASPID: r.VASPID, VASID: r.VASID, From: r.SenderAddress.Value}
	c.decide(message, f, refused)
	m.book.canceling(c)
	m.o.Log.Info("cancel answered", "transaction_id", c.TransactionID, "carrier_message_id", c.MessageID, "code", c.Code, "fault", c.Fault)
	switch {
	case refused != nil || f.cancel != 0:
		m.writeFault(w, r.TransactionID, mm7.Status{Code: c.Code, Details: told(c.Problems)})
	case f.cancelMute:
		m.hangUp(w, s)
	default:
		m.write(w, http.StatusOK, mm7.EncodeResponse(m.o.Dialect, &mm7.Response{
			Head:      mm7.Head{TransactionID: r.TransactionID},
			Operation: mm7.OpCancelRsp,
			Status:    mm7.Status{Code: c.Code},
		}))
	}
}

// decide cancels what there is to cancel, and notes what is to be answered.
func (c *Cancel) decide(message *taken, f *fault, refused *refusal) {
	if refused == nil && f.cancels() {
		c.Fault = f.Name
	}
	switch {
	case refused != nil:
		c.Code, c.Problems = refused.code, refused.problems
	case f.cancel != 0:
		c.Code = f.cancel
	case message == nil:
		c.Code = 2005
	default:
		c.Code = message.cancel()
	}
}
