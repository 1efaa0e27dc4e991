package simulator

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"

	"mmsgw/mm7"
)

func unknownID(m *MMSC, r *mm7.DeliveryReportReq) { r.MessageID = m.o.NewID() }

func upperID(_ *MMSC, r *mm7.DeliveryReportReq) { r.MessageID = strings.ToUpper(r.MessageID) }

// zeroID is of digits alone: those are what an MMSC takes for a number, and so loses
// the zeros before it.
func zeroID(fresh string) string {
	sum := sha256.Sum256([]byte(fresh))
	return "0" + strconv.FormatUint(binary.BigEndian.Uint64(sum[:]), 10)
}

func shorterID(_ *MMSC, r *mm7.DeliveryReportReq) { r.MessageID = strings.TrimPrefix(r.MessageID, "0") }

func swap(_ *MMSC, r *mm7.DeliveryReportReq) { r.Sender, r.Recipient = r.Recipient, r.Sender }

// rewriteNumbers writes both numbers of a report in another form; short codes and
// mail addresses stay.
func rewriteNumbers(form func(string) mm7.Address) twist {
	return func(_ *MMSC, r *mm7.DeliveryReportReq) {
		for _, a := range []*mm7.Address{&r.Sender, &r.Recipient} {
			if a.Kind == mm7.Number && a.Value != "" {
				*a = form(a.Value)
			}
		}
	}
}

func mailAddress(number string) mm7.Address {
	return mm7.Address{Kind: mm7.RFC2822, Value: number + "/TYPE=PLMN@mms.example"}
}
