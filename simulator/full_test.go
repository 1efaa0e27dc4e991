package simulator

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"mmsgw/mm7"
)

type unanswered struct{}

func (unanswered) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// TestFull: an MMSC whose reports pile up takes no more, and says so.
func TestFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := New(Options{ReportTo: "http://gateway.test/", Transport: unanswered{}, Lax: true})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		m.reports.most = 2
		body, err := mm7.Encode(m.o.Dialect, &mm7.SubmitReq{
			Head:           mm7.Head{TransactionID: "tx"},
			SenderAddress:  mm7.Address{Value: "+12125550123"},
			Recipients:     mm7.Recipients{To: []mm7.Address{{Value: "+14165550199"}}},
			DeliveryReport: true,
		}, [16]byte{})
		if err != nil {
			t.Fatal(err)
		}
		text, err := body.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []int{200, 200, 500} {
			w := httptest.NewRecorder()
			m.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/mm7", strings.NewReader(string(text))))
			if w.Code != want || want == 500 && !strings.Contains(w.Body.String(), ">4006<") {
				t.Errorf("submission %d: HTTP %d, want %d: %s", i+1, w.Code, want, w.Body)
			}
		}
		if got := m.Totals(); got.Accepted != 2 || got.Failed != 1 {
			t.Errorf("totals %+v", got)
		}
	})
}
