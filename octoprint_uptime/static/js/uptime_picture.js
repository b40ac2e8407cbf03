$(function () {
    "use strict";

    const SVG = "http://www.w3.org/2000/svg";
    const SHORTEST_SECONDS = 600; // the shortest range to zoom to
    const DRAG_PX = 5; // a shorter movement is a click
    const NARROW_PX = 560;
    const NAME_PX = 110;
    const LABEL_PX = 60; // the width of a date
    const BAR_PX = 14;
    const THIN_PX = 8; // the height of a less important lane
    const FLAG_PX = 10;
    const GAP_PX = 1.5; // the least gap between two runs
    const PIECE_PX = 4; // the least width of a run between two gaps
    const FAILED_PX = 2; // the mark at the end of a failed print
    const MARK_PX = 3; // the least width of the mark of an unplanned outage
    const NEAR_PX = {
        unplanned: 7,
        planned: 3,
        unknown: 3,
        printed: 3,
        cancelled: 3,
        failed: 3,
        interrupted: 3
    };

    // Draws lanes, and lets mouse, fingers and keyboard explore them.
    function UptimePictureViewModel(parameters) {
        const self = this;

        const axis = parameters[0];

        //~~ drawing

        const element = (parent, name, attributes, text) => {
            const made = document.createElementNS(SVG, name);
            for (const attribute of Object.keys(attributes)) {
                made.setAttribute(attribute, attributes[attribute]);
            }
            if (text !== undefined) made.textContent = text;
            parent.appendChild(made);
            return made;
        };

        const box = (from, to, top, bottom) =>
            `M${from.toFixed(2)} ${top}H${to.toFixed(2)}V${bottom}H${from.toFixed(2)}Z`;

        /** Place pieces in the window, in pixels. Pieces that touch are merged. */
        const placed = (pieces, xOf, least, left, right, gap) => {
            const boxes = [];
            for (const piece of pieces) {
                if (xOf(piece.to) < left) continue;
                let from = Math.max(left, xOf(piece.from));
                const to = Math.min(right, Math.max(xOf(piece.to), from + least));
                if (from > right) continue;
                const last = boxes[boxes.length - 1];
                if (last && from - last.to < gap) {
                    if (from - last.from < PIECE_PX) {
                        last.to = Math.max(last.to, to);
                        continue;
                    }
                    from = last.to + gap;
                }
                boxes.push({from, to: Math.max(to, from + least)});
            }
            return boxes;
        };

        const path = (svg, css, d) => {
            if (d) element(svg, "path", {class: `octoprint_uptime_${css}`, d});
        };

        function drawLane(
            svg,
            {pieces, isThin, recordedFrom},
            laneTop,
            {xOf, left, right}
        ) {
            const height = isThin ? THIN_PX : BAR_PX;
            const top = laneTop + (BAR_PX - height) / 2;
            const bottom = top + height;
            const of = (...states) => pieces.filter(({state}) => states.includes(state));
            const boxes = (chosen, from, to, gap = GAP_PX) =>
                placed(chosen, xOf, 1, left, right, gap)
                    .map((it) => box(it.from, it.to, from, to))
                    .join("");
            const begin = Math.max(left, xOf(recordedFrom));
            if (begin < right) path(svg, "track", box(begin, right, top, bottom));
            path(svg, "up", boxes(of("up"), top, bottom));
            path(
                svg,
                "print",
                boxes(of("printed", "failed", "interrupted"), top, bottom)
            );
            path(svg, "cancelled", boxes(of("cancelled"), top + 0.5, bottom - 0.5));
            const middle = top + height / 2;
            path(svg, "unknown", boxes(of("unknown"), middle - 1, middle + 1, 0));
            const marks = (pieces, width, over) =>
                placed(pieces, xOf, width, left - width, right, 0)
                    .map((it) => box(it.from, it.to, top - over, bottom + over))
                    .join("");
            const endsOf = (state) => of(state).map(({to}) => ({from: to, to}));
            const unplanned = of("unplanned").map(({from, markTo}) => ({
                from,
                to: markTo
            }));
            path(svg, "unplanned", marks(endsOf("failed"), FAILED_PX, 0));
            path(svg, "unplanned", marks(endsOf("interrupted"), MARK_PX, 2));
            path(svg, "unplanned", marks(unplanned, MARK_PX, 2));
            path(svg, "unplanned", flags(pieces, top - 3, {xOf, left, right}));
        }

        function flags(pieces, tip, {xOf, left, right}) {
            let last = -Infinity;
            return pieces
                .filter(({isFlagged}) => isFlagged)
                .map(({from}) => xOf(from) + MARK_PX / 2)
                .filter((x) => x >= left && x <= right + MARK_PX)
                .map((x) => Math.min(x, right - FLAG_PX / 2))
                .filter((x) => {
                    if (x - last < FLAG_PX - 2) return false;
                    last = x;
                    return true;
                })
                .map((x) => {
                    const half = FLAG_PX / 2;
                    return `M${(x - half).toFixed(2)} ${tip - 7}h${FLAG_PX}l${-half} 7z`;
                })
                .join("");
        }

        //~~ one picture

        /**
         * Create the view model of the template octoprint_uptime_lanes.
         *
         * Args, by name:
         *     named: Whether to show the names of the lanes and the dates of the axis.
         *     zoom: An observable of the zoomed range, [from, to] or undefined.
         */
        self.create = ({named, zoom}) => {
            const picture = {};
            const content = ko.observable({lanes: [], from: 0, to: 1, label: ""});
            let root;
            let cursor;
            let place; // maps pixels to time, from the last drawing

            picture.label = ko.pureComputed(() => content().label);
            picture.shown = ko.pureComputed(
                () => (zoom && zoom()) || [content().from, content().to]
            );
            let levels = []; // the range before each zoom, widest first
            if (zoom) {
                zoom.subscribe((shown) => {
                    if (!shown) levels = [];
                });
            }
            picture.isZoomed = ko.pureComputed(() => Boolean(zoom && zoom()));

            const told = ko.observable("");
            picture.hint = ko.observable("");
            picture.story = ko.pureComputed(() => told() || picture.hint());
            const chosen = ko.observable(undefined);
            const tell = (piece) => told(piece ? _.compact(piece.tell()).join("\n") : "");
            chosen.subscribe(tell);

            /** Show lanes from one time to another. Screen readers read the label. */
            picture.show = ({lanes, from, to, label}) => {
                const before = chosen();
                content({lanes, from, to, label});
                chosen(
                    before &&
                        stops().find(
                            (piece) =>
                                piece.from === before.from && piece.state === before.state
                        )
                );
                picture.draw();
            };

            //~~ drawing

            picture.render = (nodes) => {
                root = $(nodes).find(".octoprint_uptime_picture")[0];
                picture.draw();
                listen();
            };

            picture.draw = () => {
                const {lanes} = content();
                const width = root ? root.clientWidth : 0;
                if (!width || !lanes.length) return;
                const svg = $(root).find("svg").empty()[0];
                const isNarrow = named && width < NARROW_PX;
                const left = named && !isNarrow ? NAME_PX : 0;
                const [begin, end] = picture.shown();
                const xOf = (time) =>
                    left + ((time - begin) / (end - begin)) * (width - left);
                const pitch = BAR_PX + FLAG_PX + (isNarrow ? 20 : 6);
                const offset = FLAG_PX + (isNarrow ? 14 : 2);
                const bottom = lanes.length * pitch + 4;
                place = {xOf, left, right: width, begin, end, pitch, offset};
                svg.setAttribute("width", width);
                svg.setAttribute("height", bottom + (named ? 20 : 0));
                if (named) drawAxis(svg, bottom, place);
                lanes.forEach((lane, number) => {
                    const top = number * pitch + offset;
                    if (named) {
                        const y = isNarrow ? top - FLAG_PX - 2 : top + BAR_PX - 2;
                        element(svg, "text", {x: 0, y}, lane.name);
                    }
                    drawLane(svg, lane, top, place);
                });
                cursor = element(svg, "path", {class: "octoprint_uptime_cursor"});
                moveCursor(chosen());
            };

            const drawAxis = (svg, bottom, {xOf, left, right, begin, end}) => {
                for (const tick of axis.ticks(begin, end, right - left)) {
                    const x = xOf(tick.time);
                    path(svg, "tick", `M${x.toFixed(2)} 6V${bottom}`);
                    const isAtEdge = Math.min(x - left, right - x) < LABEL_PX / 2;
                    const outer = x - left < right - x ? "start" : "end";
                    const y = bottom + 14;
                    element(
                        svg,
                        "text",
                        {
                            class: "octoprint_uptime_date",
                            x,
                            y,
                            "text-anchor": isAtEdge ? outer : "middle"
                        },
                        tick.text
                    );
                }
            };

            const moveCursor = (piece, x) => {
                if (!cursor) return;
                const height = content().lanes.length * place.pitch + 4;
                const [at, until] = piece
                    ? [piece.from, piece.markTo || piece.to].map(place.xOf)
                    : [x, x];
                const isThere =
                    at !== undefined && until >= place.left && at <= place.right;
                const inside = (edge) =>
                    Math.min(Math.max(edge, place.left), place.right - 1);
                const around = piece ? 1.5 : 0;
                const [from, to] = [inside(at) - around, inside(until) + around];
                cursor.setAttribute("d", isThere ? box(from, to, 1, height) : "");
            };
            chosen.subscribe((piece) => moveCursor(piece));

            picture.shown.subscribe(() => picture.draw());

            //~~ positions

            const timeAt = (x) =>
                place.begin +
                ((Math.min(Math.max(x, place.left), place.right) - place.left) /
                    (place.right - place.left)) *
                    (place.end - place.begin);

            /** Return the piece under the pointer, or one that is close enough. */
            const pieceAt = (x, y) => {
                const {lanes} = content();
                const row = Math.floor((y - place.offset + FLAG_PX) / place.pitch);
                const {pieces} = lanes[Math.min(Math.max(row, 0), lanes.length - 1)];
                const time = timeAt(x);
                const secondsPerPx =
                    (place.end - place.begin) / (place.right - place.left);
                const far = NEAR_PX.unplanned * secondsPerPx;
                const near = pieces.filter(
                    (piece) => piece.from <= time + far && piece.to >= time - far
                );
                const distance = ({from, to, markTo = to}) =>
                    Math.max(from - time, time - Math.max(markTo, from), 0) /
                    secondsPerPx;
                const isNear = (piece) => distance(piece) <= (NEAR_PX[piece.state] || 0);
                return (
                    near.find((piece) => piece.state === "unplanned" && isNear(piece)) ||
                    near.find((piece) => piece.state in NEAR_PX && isNear(piece)) ||
                    near.find(({from, to}) => from <= time && time <= to)
                );
            };

            //~~ keyboard

            const stops = ko.pureComputed(() => {
                const [begin, end] = picture.shown();
                return _.sortBy(
                    _.flatten(content().lanes.map(({pieces}) => pieces)).filter(
                        (piece) => piece.stops && piece.to >= begin && piece.from <= end
                    ),
                    "from"
                );
            });
            const number = ko.pureComputed(() => stops().indexOf(chosen()));
            picture.isFirst = ko.pureComputed(() => number() === 0 || !stops().length);
            picture.isLast = ko.pureComputed(
                () => number() === -1 || number() === stops().length - 1
            );
            const step = (by) => {
                const from = number() === -1 ? stops().length : number();
                const to = Math.min(Math.max(from + by, 0), stops().length - 1);
                if (to >= 0) chosen(stops()[to]);
            };
            picture.previous = () => step(-1);
            picture.next = () => step(1);

            const zoomIn = () => {
                const [begin, end] = picture.shown();
                const middle = chosen() ? chosen().from : (begin + end) / 2;
                const quarter = (end - begin) / 4;
                zoomTo(middle - quarter, middle + quarter);
            };
            const zoomTo = (begin, end) => {
                const {from, to} = content();
                const length = Math.max(end - begin, SHORTEST_SECONDS);
                const [shownFrom, shownTo] = picture.shown();
                if (length >= shownTo - shownFrom) return;
                const first = Math.min(
                    Math.max((begin + end - length) / 2, from),
                    to - length
                );
                const before = [...levels, zoom()];
                zoom([first, first + length]);
                levels = before;
            };
            picture.zoomOut = () => zoom(levels.pop());

            const KEYS = {
                ArrowLeft: picture.previous,
                ArrowRight: picture.next,
                Home: () => step(-stops().length - 1),
                End: () => step(stops().length + 1),
                ...(zoom && {"+": zoomIn, "-": picture.zoomOut})
            };
            picture.handleKey = (viewModel, event) => {
                if (!KEYS[event.key]) return true;
                KEYS[event.key]();
            };

            //~~ mouse and touch

            function listen() {
                const where = ({clientX, clientY}) => {
                    const {left, top} = root.getBoundingClientRect();
                    return {x: clientX - left, y: clientY - top};
                };
                const isFinger = ({type}) => type.startsWith("touch");
                /** Return the position of the mouse or of the first finger. */
                const pointOf = (event) => {
                    const {originalEvent} = event;
                    if (!isFinger(event)) return where(originalEvent);
                    const touch = Array.from(originalEvent.changedTouches).find(
                        ({identifier}) => !pressed || identifier === pressed.finger
                    );
                    return touch && {...where(touch), finger: touch.identifier};
                };
                let pressed; // the position and the finger
                let dragged; // the current position

                const hover = (event) => {
                    if (pressed || !place) return;
                    const {x, y} = pointOf(event);
                    tell(pieceAt(x, y));
                    moveCursor(undefined, x < place.left ? undefined : x);
                };
                const leave = () => {
                    if (pressed) return;
                    tell(chosen());
                    moveCursor(chosen());
                };
                const listenForMouse = (onOrOff) =>
                    $(document)[onOrOff]({mousemove: drag, mouseup: release});
                const press = (event) => {
                    if (event.button || !place) return;
                    if (pressed && pressed.finger !== undefined) {
                        if (dragged === undefined) pressed = undefined; // a pinch
                        return;
                    }
                    if (isFinger(event) && event.originalEvent.touches.length > 1) return;
                    pressed = pointOf(event);
                    dragged = undefined;
                    if (event.type === "mousedown") {
                        event.preventDefault(); // prevents a text selection
                        root.focus();
                        listenForMouse("off");
                        listenForMouse("on");
                    }
                };
                // The second finger may be outside of the lanes.
                const isPinch = (event) =>
                    isFinger(event) &&
                    dragged === undefined &&
                    event.originalEvent.touches.length > 1;
                const drag = (event) => {
                    const point = pressed && pointOf(event);
                    if (!point) return;
                    if (isPinch(event)) {
                        pressed = undefined;
                        return;
                    }
                    const {x, y} = point;
                    const across = Math.abs(x - pressed.x);
                    if (!zoom || (!dragged && across < DRAG_PX)) return;
                    // A vertical movement scrolls the page.
                    if (isFinger(event) && !dragged && Math.abs(y - pressed.y) > across) {
                        return;
                    }
                    event.preventDefault();
                    dragged = x;
                    const [from, to] = [pressed.x, x].map(timeAt).sort((a, b) => a - b);
                    moveCursor({from, to});
                    told(axis.span(from, to));
                };
                const release = (event) => {
                    if (!isFinger(event)) listenForMouse("off");
                    const point = pressed && pointOf(event);
                    if (!point) return;
                    if (isFinger(event)) event.preventDefault(); // no emulated mouse events
                    const from = pressed;
                    pressed = undefined;
                    if (event.type === "touchcancel") {
                        leave();
                        return;
                    }
                    if (dragged !== undefined) {
                        zoomTo(...[from.x, dragged].map(timeAt).sort((a, b) => a - b));
                    } else if (Math.abs(point.y - from.y) < 2 * DRAG_PX) {
                        chosen(undefined);
                        chosen(pieceAt(from.x, from.y));
                    }
                };
                $(root)
                    .on("mousemove", hover)
                    .on("mouseleave", leave)
                    .on("mousedown touchstart", press)
                    .on("touchend touchcancel", release);
                // jQuery adds passive listeners in some browsers.
                root.addEventListener(
                    "touchmove",
                    (event) => drag($.Event(event, {originalEvent: event})),
                    {passive: false}
                );
            }
            return picture;
        };
    }

    OCTOPRINT_VIEWMODELS.push({
        construct: UptimePictureViewModel,
        name: "octoPrintUptimePictureViewModel",
        dependencies: ["octoPrintUptimeAxisViewModel"],
        elements: []
    });
});
