#include "ctl/table.hpp"

#include <algorithm>

#include "ctl/text.hpp"

namespace reeve::ctl {

namespace {

constexpr std::size_t gap = 2;
constexpr std::size_t least_last = 8;  // columns the last column keeps on a narrow screen

std::string_view code_of(Style style) noexcept {
    switch (style) {
        case Style::plain: return "";
        case Style::bold: return "\033[1m";
        case Style::dim: return "\033[2m";
        case Style::good: return "\033[32m";
        case Style::warning: return "\033[33m";
        case Style::bad: return "\033[1;31m";
    }
    return "";
}

}  // namespace

std::string paint(Style style, std::string_view text, bool colour) {
    const std::string_view code = code_of(style);
    if (!colour || code.empty() || text.empty()) return std::string{text};
    return std::string{code}.append(text).append("\033[0m");
}

void Table::add(std::vector<Cell> row) {
    row.resize(std::min(row.size(), headings_.size()));
    for (Cell& cell : row) cell.text = printable(cell.text);
    rows_.push_back(std::move(row));
}

std::vector<std::size_t> Table::column_widths(const Layout& layout) const {
    std::vector<std::size_t> widths(headings_.size(), 0);
    for (std::size_t i = 0; layout.headings && i < widths.size(); ++i) {
        widths[i] = width(headings_[i]);
    }
    const std::size_t end = layout.rows < rows_.size() - std::min(layout.first, rows_.size())
                                ? layout.first + layout.rows
                                : rows_.size();
    for (std::size_t r = layout.first; r < end; ++r) {
        for (std::size_t i = 0; i < rows_[r].size(); ++i) {
            widths[i] = std::max(widths[i], width(rows_[r][i].text));
        }
    }
    return widths;
}

std::string Table::render(const Layout& layout) const {
    const auto widths = column_widths(layout);
    const std::size_t last = widths.size() - 1;
    std::size_t before = 0;
    for (std::size_t i = 0; i < last; ++i) before += widths[i] + gap;
    std::size_t room = widths[last];
    if (layout.columns != 0 && before + room > layout.columns) {
        room = layout.columns > before + least_last ? layout.columns - before : least_last;
    }

    std::string out;
    const auto line = [&](std::size_t cells, auto&& cell_at) {
        std::string blanks;  // put before the next text only: no line ends in spaces
        for (std::size_t i = 0; i < cells; ++i) {
            const Cell cell = cell_at(i);
            const std::string text = i == last ? shorten(cell.text, room) : cell.text;
            if (!text.empty()) {
                out += blanks;
                out += paint(cell.style, text, layout.colour);
                blanks.clear();
            }
            if (i != last) blanks.append(widths[i] - width(text) + gap, ' ');
        }
        out += '\n';
    };
    if (layout.headings) {
        line(headings_.size(), [&](std::size_t i) { return Cell{headings_[i], Style::dim}; });
    }
    for (std::size_t r = layout.first; r < rows_.size() && r - layout.first < layout.rows; ++r) {
        line(rows_[r].size(), [&](std::size_t i) { return rows_[r][i]; });
    }
    return out;
}

}  // namespace reeve::ctl
