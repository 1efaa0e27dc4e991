package mm7

import "strings"

// smilHead lays the text above the picture. The ids are those that every phone
// knows; the sizes are a small phone's, and phones scale or replace them
// (OMA MMS conformance document, section on SMIL).
const smilHead = `<smil><head><layout><root-layout width="240" height="320"/>` +
	`<region id="Text" left="0" top="0" width="240" height="80" fit="scroll"/>` +
	`<region id="Image" left="0" top="80" width="240" height="240" fit="meet"/>` +
	`</layout></head><body>`

// smil is the presentation: a slide for each medium in order, the text shown with
// the first; a slide with the text alone when there is nothing else. A second text
// goes with the second slide.
func smil(entities []entity) string {
	var texts, media []entity
	for _, e := range entities {
		if e.element == "text" {
			texts = append(texts, e)
		} else {
			media = append(media, e)
		}
	}
	var b strings.Builder
	b.WriteString(smilHead)
	for i := range max(len(texts), len(media)) {
		b.WriteString(`<par dur="5000ms">`)
		if i < len(texts) {
			b.WriteString(`<text src="cid:` + texts[i].id + `" region="Text"/>`)
		}
		if i < len(media) {
			b.WriteString(smilMedium(media[i]))
		}
		b.WriteString(`</par>`)
	}
	b.WriteString(`</body></smil>`)
	return b.String()
}

func smilMedium(e entity) string {
	region := ` region="Image"`
	if e.element == "audio" {
		region = ""
	}
	return `<` + e.element + ` src="cid:` + e.id + `"` + region + `/>`
}
