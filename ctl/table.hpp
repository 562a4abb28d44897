// Columns that line up, for people. Pure: cells in, text out.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace reeve::ctl {

enum class Style { plain, bold, dim, good, warning, bad };

// `text` in the colours of `style`; as it is when `colour` is false.
std::string paint(Style style, std::string_view text, bool colour);

struct Cell {
    std::string text;
    Style style = Style::plain;
};

class Table {
public:
    explicit Table(std::vector<std::string> headings) : headings_{std::move(headings)} {}

    // A row may be shorter than the headings. Texts are made printable().
    void add(std::vector<Cell> row);
    [[nodiscard]] std::size_t rows() const noexcept { return rows_.size(); }

    struct Layout {
        std::size_t columns = 0;  // of the screen, 0: no limit; the last column is cut to fit
        bool colour = false;
        bool headings = true;
        std::size_t first = 0;                            // rows to leave out at the front,
        std::size_t rows = static_cast<std::size_t>(-1);  // and how many to show
    };
    [[nodiscard]] std::string render(const Layout& layout) const;

private:
    [[nodiscard]] std::vector<std::size_t> column_widths(const Layout& layout) const;

    std::vector<std::string> headings_;
    std::vector<std::vector<Cell>> rows_;
};

}  // namespace reeve::ctl
