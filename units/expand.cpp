#include "units/expand.hpp"

#include <algorithm>
#include <string_view>

namespace reeve::units {

namespace {

bool is_variable_name(std::string_view name) {
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_';
    };
    return !name.empty() && !(name.front() >= '0' && name.front() <= '9') &&
           std::ranges::all_of(name, fits);
}

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// Words of a value; a quote that does not end reaches to the end of the value.
std::vector<std::string> split(std::string_view value) {
    std::vector<std::string> words;
    std::string word;
    bool in_word = false;
    char quote = '\0';
    for (std::size_t i = 0; i < value.size(); ++i) {
        const char c = value[i];
        if (quote != '\0') {
            const char next = i + 1 < value.size() ? value[i + 1] : '\0';
            if (c == quote)
                quote = '\0';
            else if (quote == '"' && c == '\\' && (next == '"' || next == '\\'))
                word += value[++i];
            else
                word += c;
        } else if (is_space(c)) {
            if (in_word) words.push_back(std::move(word));
            word.clear();
            in_word = false;
        } else {
            in_word = true;
            if (c == '"' || c == '\'')
                quote = c;
            else
                word += c;
        }
    }
    if (in_word) words.push_back(std::move(word));
    return words;
}

class Expander {
public:
    explicit Expander(const std::map<std::string, std::string>& environment)
        : environment_{environment} {}

    Expansion run(const std::vector<std::string>& argv) {
        for (const std::string& word : argv) {
            const std::string_view name =
                std::string_view{word}.substr(std::min<std::size_t>(1, word.size()));
            const bool alone = word.starts_with('$') && is_variable_name(name);
            if (!alone || result_.argv.empty()) {
                result_.argv.push_back(replace(word));
                continue;
            }
            for (std::string& part : split(value(name))) result_.argv.push_back(std::move(part));
        }
        return std::move(result_);
    }

private:
    std::string_view value(std::string_view name) {
        const auto found = environment_.find(std::string{name});
        if (found != environment_.end()) return found->second;
        if (std::ranges::find(result_.unset, name) == result_.unset.end())
            result_.unset.emplace_back(name);
        return {};
    }

    std::string replace(std::string_view word) {
        std::string out;
        while (!word.empty()) {
            const auto dollar = std::min(word.find('$'), word.size());
            out.append(word.substr(0, dollar));
            word.remove_prefix(dollar);
            if (word.empty()) break;
            const auto end = word.find('}');
            if (word.starts_with("$$")) {
                out += '$';
                word.remove_prefix(2);
            } else if (word.starts_with("${") && end != std::string_view::npos &&
                       is_variable_name(word.substr(2, end - 2))) {
                out.append(value(word.substr(2, end - 2)));
                word.remove_prefix(end + 1);
            } else {
                out += '$';
                word.remove_prefix(1);
            }
        }
        return out;
    }

    const std::map<std::string, std::string>& environment_;
    Expansion result_;
};

}  // namespace

Expansion expand(const std::vector<std::string>& argv,
                 const std::map<std::string, std::string>& environment) {
    return Expander{environment}.run(argv);
}

}  // namespace reeve::units
