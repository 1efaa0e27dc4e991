// Package mm7 speaks MM7, the protocol of 3GPP TS 23.140 between a value-added
// service provider (VASP, we) and a carrier's MMS relay/server (MMSC): SOAP 1.1
// envelopes, for a SubmitReq with the message as MIME attachments, over HTTP.
//
// It holds both directions and both ends. [Client] submits to an MMSC, and cancels;
// [Handler] takes the reports an MMSC posts to us. [Encode] and [ParseSubmit],
// [EncodeResponse] and [ParseResponse], the Encode methods of reports and
// [ParseRequest] are the codec they stand on, and serve a simulated MMSC as well.
//
// What is written follows the schema of the namespace to the letter, as a
// [Dialect] says; what is read is matched leniently, since deployed MMSCs differ
// in namespaces, prefixes, order and where they put an error. All that is read is
// bounded first: [MaxEnvelope], depth, attributes, no DOCTYPE, one root.
//
// The package decides nothing about retries and logs nothing. Its errors tell
// whether a request may have left ([NotSentError], [NoAnswerError]). Addresses,
// subjects and a carrier's free text are in the values it returns: they are the
// caller's to mask.
package mm7
