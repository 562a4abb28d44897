// Takes typed values out of a document and says, with key and place, what is wrong with the rest.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "units/document.hpp"
#include "units/load.hpp"
#include "units/problem.hpp"

namespace reeve::units {

class Reader {
public:
    // All arguments must outlive the reader. `files` names what Node::file counts.
    Reader(std::string_view name, const LoadOptions& options, const std::vector<std::string>& files,
           std::vector<Problem>& problems);

    // The key that problems are about until the object dies: "service.backoff", then ".first".
    class Scope {
    public:
        Scope(Reader& reader, std::string_view key);
        ~Scope() { reader_.key_.resize(length_); }
        Scope(const Scope&) = delete;
        Scope& operator=(const Scope&) = delete;

    private:
        Reader& reader_;
        std::size_t length_;
    };

    void complain(const Node& where, std::string text, Severity severity = Severity::error);
    void complain(const Entry& where, std::string text);
    // `found 5, expected WHAT`
    void expected(const Node& found, std::string_view what);
    void not_in_this_version(const Node& found);

    // Each is nullopt after a complaint. Strings have their specifiers replaced.
    std::optional<std::string> string(const Node& node, std::string_view what);
    std::optional<bool> flag(const Node& node);
    std::optional<std::int64_t> integer(const Node& node, std::int64_t least, std::int64_t most);
    std::optional<double> number(const Node& node, double least, double most);
    enum class Bound { any, positive, finite, positive_finite };
    std::optional<Duration> duration(const Node& node, Bound bound);
    std::optional<std::uint64_t> size(const Node& node);
    std::optional<int> signal(const Node& node);
    std::optional<std::string> unit_name(const Node& node);
    std::optional<std::string> event_name(const Node& node);
    std::optional<std::string> absolute_path(const Node& node);

    // The index of the word in `words`. A word of `later` is not in this version.
    std::optional<std::size_t> choice(const Node& node, const std::vector<std::string_view>& words,
                                      const std::vector<std::string_view>& later = {});

    // The nodes of a list; empty after a complaint.
    const std::vector<Node>& list(const Node& node, std::string_view what);

    [[nodiscard]] std::string_view name() const { return name_; }
    [[nodiscard]] const LoadOptions& options() const { return options_; }

private:
    std::string_view name_;
    const LoadOptions& options_;
    const std::vector<std::string>& files_;
    std::vector<Problem>& problems_;
    std::string key_;
};

}  // namespace reeve::units
