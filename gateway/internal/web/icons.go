package web

import (
	"fmt"
	"html/template"
)

// iconShapes are what each icon draws, in a square of 20 units.
var iconShapes = map[string]string{
	"overview": `<path d="M3 17V9.5M8 17V3M13 17v-6M18 17V6.500"/>`,
	"key":      `<circle cx="6.500" cy="13.500" r="3.500"/><path d="M9 11l8-8M13.500 6.500L16 9"/>`,
	"list":     `<path d="M7 5h10.500M7 10h10.500M7 15h10.500M3 5h.5M3 10h.5M3 15h.5"/>`,
	"chat":     `<path d="M3 4.500h14v9.500H9.500L6 17v-3H3z"/>`,
	"server":   `<rect x="3" y="3.500" width="14" height="5.500" rx="1.200"/><rect x="3" y="11" width="14" height="5.500" rx="1.200"/><path d="M6 6.250h.5M6 13.750h.5"/>`,
	"sliders":  `<path d="M3 6h8M15 6h2M3 14h2M9 14h8"/><circle cx="13" cy="6" r="2"/><circle cx="7" cy="14" r="2"/>`,
	"leave":    `<path d="M8 3H3.500v14H8M8 10h9.500M14 6.500L17.500 10 14 13.500"/>`,
	"warning":  `<path d="M10 3.200L18 16.800H2zM10 8.500v4M10 14.600v.2"/>`,
	"plus":     `<path d="M10 4v12M4 10h12"/>`,
	"search":   `<circle cx="8.800" cy="8.800" r="5.300"/><path d="M12.800 12.800L17 17"/>`,
	"download": `<path d="M10 3v9.500M6 8.800l4 3.900 4-3.900M3.500 16.500h13"/>`,
	"upload":   `<path d="M10 13V3.500M6 7.200l4-3.900 4 3.900M3.500 16.500h13"/>`,
	"trash":    `<path d="M3.500 5.500h13M8 5V3h4v2M5 5.500l.8 11.500h8.400L15 5.500M8.500 8.500v5.500M11.500 8.500v5.500"/>`,
	"pencil":   `<path d="M3.500 16.500l.8-3.700L13.500 3.500l3 3-9.300 9.200zM11.500 5.500l3 3"/>`,
	"power":    `<path d="M10 3v6.500M6 5.200a6.200 6.200 0 1 0 8 0"/>`,
	"live":     `<circle cx="10" cy="10" r="2"/><path d="M5.800 5.800a6 6 0 0 0 0 8.400M14.200 5.800a6 6 0 0 1 0 8.400"/>`,
	"out":      `<path d="M11 3.500h5.500V9M16.500 3.500L9 11M14 12v4.500H3.500V6H8"/>`,
	"back":     `<path d="M12 4l-6 6 6 6"/>`,
	"reset":    `<path d="M4 4v4.500h4.500M4.500 8.200A6.300 6.300 0 1 1 4 12"/>`,
	"clock":    `<circle cx="10" cy="10" r="7"/><path d="M10 5.500V10l3 2"/>`,
	"question": `<circle cx="10" cy="10" r="7"/><path d="M7.900 8a2.100 2.100 0 1 1 3.200 1.800c-.8.500-1.100 1-1.100 1.700M10 13.800v.2"/>`,
	"coins":    `<ellipse cx="10" cy="5.500" rx="6.500" ry="2.500"/><path d="M3.500 5.500v9c0 1.400 2.900 2.500 6.500 2.500s6.500-1.100 6.500-2.500v-9M3.500 10c0 1.400 2.900 2.500 6.500 2.500s6.500-1.100 6.500-2.500"/>`,
	"copy":     `<rect x="7" y="7" width="9.500" height="9.500" rx="1.500"/><path d="M13 4.500V4a1 1 0 0 0-1-1H4.500A1.500 1.500 0 0 0 3 4.500V12a1 1 0 0 0 1 1h.5"/>`,
	"model":    `<path d="M10 2.500l6.500 3.750v7.500L10 17.500l-6.500-3.750v-7.500zM3.500 6.250L10 10l6.500-3.750M10 10v7.500"/>`,
	"stop":     `<rect x="5.500" y="5.500" width="9" height="9" rx="1"/>`,
}

// icons are the icons as pages have them, by name.
var icons = drawIcons()

func drawIcons() map[string]template.HTML {
	drawn := make(map[string]template.HTML, len(iconShapes))
	for name, shapes := range iconShapes {
		drawn[name] = template.HTML(`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true">` + shapes + `</svg>`) //nolint:gosec // ours
	}
	return drawn
}

// icon returns the icon with a name. One that there is none of is an error of ours.
func icon(name string) (template.HTML, error) {
	drawn, known := icons[name]
	if !known {
		return "", fmt.Errorf("there is no icon %q", name)
	}
	return drawn, nil
}
