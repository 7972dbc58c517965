package web

import (
	"html/template"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/money"
)

// format writes values as people read them, in one language.
type format struct {
	lang  language
	texts texts
}

func newFormat(lang language, texts texts) format { return format{lang, texts} }

// functions are what the templates can call.
func (f format) functions(files *assets) template.FuncMap {
	return template.FuncMap{
		"t":         f.texts.text,
		"label":     f.texts.label,
		"note":      f.texts.note,
		"language":  func() language { return f.lang },
		"icon":      icon,
		"asset":     files.url,
		"texts":     func() string { return files.url(textsModule(f.lang)) },
		"num":       number[uint64],
		"num32":     number[uint32],
		"duration":  duration,
		"ms":        milliseconds,
		"uptime":    f.uptime,
		"datetime":  datetime,
		"time":      written,
		"ago":       f.ago,
		"pill":      f.pill,
		"iso":       iso,
		"percent":   percent,
		"fresh":     fresh,
		"cached":    usesCache,
		"dict":      dict,
		"join":      strings.Join,
		"rows":      rows,
		"usd":       usd,
		"pico":      func(n uint64) money.Pico { return money.Pico(n) },
		"onday":     onDay,
		"need":      f.need,
		"fieldtime": fieldTime,
		"trend":     trend,
	}
}

// rows is how many lines a text area has for its text.
func rows(text string) int { return min(max(strings.Count(text, "\n")+1, 2), 12) }

// number groups the digits by thousands.
func number[T ~uint64 | ~uint32](n T) string {
	digits := strconv.FormatUint(uint64(n), 10)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// compact shortens a count to three digits: 1234567 is 1.23M.
func compact(n float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if n >= unit.size {
			return short(n/unit.size) + unit.name
		}
	}
	return short(n)
}

// short keeps three significant digits, without trailing zeros.
func short(n float64) string {
	decimals := 2
	if n >= 100 {
		decimals = 0
	} else if n >= 10 {
		decimals = 1
	}
	text := strconv.FormatFloat(n, 'f', decimals, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// seconds writes a length of time in the unit that suits it.
func seconds(d time.Duration) string {
	switch {
	case d >= time.Minute:
		return strconv.Itoa(int(d/time.Minute)) + " min " + strconv.Itoa(int(d%time.Minute/time.Second)) + " s"
	case d >= time.Second:
		return short(d.Seconds()) + " s"
	default:
		return short(float64(d.Microseconds())/1000) + " ms"
	}
}

// duration is seconds for the contract's durations; a dash where there is none.
func duration(d *durationpb.Duration) string {
	if d == nil {
		return "–"
	}
	return seconds(d.AsDuration())
}

// milliseconds are those of the contract's durations.
func milliseconds(d *durationpb.Duration) int64 { return d.AsDuration().Milliseconds() }

// uptime writes how long ago something began, in the two largest units.
func (f format) uptime(since *timestamppb.Timestamp, now time.Time) string {
	if since == nil {
		return "–"
	}
	minutes := max(int(now.Sub(since.AsTime()).Minutes()), 0)
	days, hours := minutes/(24*60), minutes/60%24
	switch {
	case days > 0:
		return f.units(days, "day", hours, "hour")
	case hours > 0:
		return f.units(hours, "hour", minutes%60, "minute")
	default:
		return f.units(minutes, "minute", 0, "")
	}
}

func (f format) units(large int, unit string, small int, smaller string) string {
	text := strconv.Itoa(large) + " " + f.texts.label("unit", unit)
	if smaller != "" {
		text += " " + strconv.Itoa(small) + " " + f.texts.label("unit", smaller)
	}
	return text
}

// iso is a time for machines: the attribute that the scripts read.
func iso(at *timestamppb.Timestamp) string { return at.AsTime().UTC().Format(time.RFC3339) }

// datetime is a time for people whose browser runs no script.
func datetime(at *timestamppb.Timestamp) string {
	return at.AsTime().UTC().Format("2006-01-02 15:04:05") + " UTC"
}

// percent is the share of a part, rounded so that only nothing is 0 % and only
// everything is 100 %.
func percent(part, whole uint64) string {
	if whole == 0 {
		return "–"
	}
	share := 100 * float64(part) / float64(whole)
	switch {
	case part > 0 && share < 0.01:
		return "< 0.01 %"
	case part < whole && share > 99.9:
		return "> 99.9 %"
	}
	return short(share) + " %"
}
