// Package gateway is the domain of mmsgw: what a message is, which rules it
// must pass, which states its deliveries can be in, and what evidence moves
// them. It is pure: no goroutine, socket, file, SQL or HTTP lives here, so that
// every rule can be read and tested alone. The rooms around it (store, media,
// relay, carrier, api) do the work and meet in cmd/mmsgw.
//
// The files follow a message's life: number, submission, eligibility, route,
// message, state, attempt, event, report.
package gateway
