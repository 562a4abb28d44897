// Makes units of files: drop-ins laid over, instances of templates as they are referred to.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "units/document.hpp"
#include "units/folders.hpp"
#include "units/load.hpp"
#include "units/read_unit.hpp"

namespace reeve::units {

class Loader {
public:
    // Both must outlive the loader. Reads the folders, no file yet.
    Loader(const LoadOptions& options, UnitSet& set);

    // Reads the unit of the file's name from there, wherever it lies. Before load_all.
    void add_file(const std::string& path) { folders_.add_file(path, set_.problems); }
    // Every file, and every instance that one of them refers to.
    void load_all();
    // `name` and the instances it refers to, as far as they are not in the set yet. Returns what it
    // means: "getty@" is the template's default instance.
    std::string load_one(std::string_view name);

private:
    // The file of a unit with all that is laid over it, merged but not read.
    struct Source {
        Node root;
        std::vector<std::string> files;
        std::vector<Problem> problems;  // of syntax, or why a file cannot be read
        bool masked = false;
        bool readable = true;  // false: the file itself is no TOML, so there is nothing to read
    };
    struct Template {
        std::string name;
        Source source;
        std::string default_instance;
        std::size_t instances = 0;
    };

    Source read_source(std::string_view name, const std::string& file);
    ReadResult read(std::string_view name, Source source);
    void lay_over(Source& source, std::string_view name);
    void load_file(const std::string& name, const std::string& file);
    void load_template(const std::string& name, const std::string& file);
    void load_templates();
    void want_customised();
    void load_instance_of(Template& of, const std::string& name);
    std::uint64_t stamp(const std::string& name, const std::string& file);
    bool take_unchanged(const std::string& name, std::uint64_t stamp);
    void take(const std::string& name, ReadResult result, std::uint64_t stamp);
    void refer_to_all(UnitFile& unit);
    void refer_to(std::string& name);
    std::string resolve(std::string_view name);
    void work_off();
    void report_orphans();
    void name_stock_targets();
    Template* template_of_name(std::string_view instance);
    [[nodiscard]] bool is_known(std::string_view name) const;

    const LoadOptions& options_;
    UnitSet& set_;
    Folders folders_;
    std::unordered_map<std::string_view, const UnitPtr*> before_;
    std::map<std::string, Template, std::less<>> templates_;
    std::map<std::string, std::string, std::less<>> template_aliases_;  // "tty@" → "getty@"
    std::vector<std::string> wanted_;                                   // instances to be made
    std::vector<std::shared_ptr<UnitFile>> stock_;
    std::shared_ptr<UnitFile> last_;  // that was taken
};

}  // namespace reeve::units
