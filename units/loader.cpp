#include "units/loader.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "units/defaults.hpp"
#include "units/files.hpp"
#include "units/names.hpp"

namespace reeve::units {

namespace {

// A template whose instances refer to ever more of them would never come to an end.
constexpr std::size_t most_instances = 10'000;

Problem problem_of_file(const std::string& file, std::string text) {
    return {Severity::error, file, 0, 0, {}, std::move(text)};
}

// Parses one file into `out`. False when it is masked; what is wrong becomes a problem.
bool read_document(const std::string& path, std::uint16_t index, Node& out,
                   std::vector<Problem>& problems) {
    const FileText file = read_text(path);
    if (file.kind == FileText::Kind::masked) return false;
    if (file.kind == FileText::Kind::failed) {
        problems.push_back(problem_of_file(path, file.text));
        return true;
    }
    ParsedDocument document = parse_document(file.text, index);
    if (document.error)
        problems.push_back({Severity::error,
                            path,
                            document.error->line,
                            document.error->column,
                            {},
                            std::move(document.error->text)});
    out = std::move(document.root);
    return true;
}

const Node* find_value(const Node& root, std::string_view table, std::string_view key) {
    const Entry* entry = root.find(table);
    const Entry* inner = entry == nullptr ? nullptr : entry->value.find(key);
    return inner == nullptr ? nullptr : &inner->value;
}

template <class Visit>
void for_each_unit_name(std::vector<Predicate>& predicates, const Visit& visit) {
    for (Predicate& predicate : predicates) {
        if (predicate.kind == Predicate::Kind::unit) visit(predicate.argument);
        for_each_unit_name(predicate.parts, visit);
    }
}

}  // namespace

Loader::Loader(const LoadOptions& options, UnitSet& set)
    : options_{options}, set_{set}, folders_{options.folders, set.problems} {
    for (const UnitPtr& unit : options_.before)
        if (unit->stamp != 0) before_.emplace(unit->name, &unit);
}

void Loader::load_all() {
    load_templates();
    want_customised();
    for (const auto& [name, file] : folders_.files())
        if (!is_template(name)) load_file(name, file);
    work_off();
    name_stock_targets();
    report_orphans();
    set_.unreadable = folders_.unreadable();
}

std::string Loader::load_one(std::string_view name) {
    load_templates();
    std::string meant = resolve(name);
    if (is_known(meant)) return meant;
    const auto file = folders_.files().find(meant);
    if (file != folders_.files().end())
        load_file(file->first, file->second);
    else
        wanted_.push_back(meant);
    work_off();
    return meant;
}

std::string Loader::resolve(std::string_view name) {
    if (!is_template(name)) return std::string{name};
    const Template* of = template_of_name(name);
    if (of == nullptr || of->default_instance.empty()) return std::string{name};
    return std::string{name} + of->default_instance;
}

Loader::Source Loader::read_source(std::string_view name, const std::string& file) {
    Source source;
    source.files.push_back(file);
    if (options_.at) options_.at("reading", file);
    source.masked = !read_document(file, 0, source.root, source.problems);
    source.readable = source.problems.empty();
    if (!source.masked && is_instance(name)) lay_over(source, template_of(name));
    if (!source.masked) lay_over(source, name);
    return source;
}

void Loader::lay_over(Source& source, std::string_view name) {
    for (const std::string& path : folders_.drop_ins(name, set_.problems)) {
        if (source.files.size() > 1000) {
            source.problems.push_back(problem_of_file(path, "more than 1000 drop-ins"));
            return;
        }
        if (options_.at) options_.at("reading", path);
        Node root;
        const auto index = static_cast<std::uint16_t>(source.files.size());
        if (!read_document(path, index, root, source.problems)) continue;
        source.files.push_back(path);
        merge(source.root, std::move(root), source.files, source.problems);
    }
}

// What is wrong with a drop-in does not hide what is wrong with the rest.
ReadResult Loader::read(std::string_view name, Source source) {
    ReadResult result;
    lay_under(source.root, options_.defaults);
    if (source.readable) result = read_unit(name, source.root, std::move(source.files), options_);
    if (source.problems.empty()) return result;
    result.unit = nullptr;
    result.problems.insert(result.problems.end(), source.problems.begin(), source.problems.end());
    return result;
}

// Of the files that make up a unit.
std::uint64_t Loader::stamp(const std::string& name, const std::string& file) {
    std::vector<const std::string*> paths{&file};
    const auto add = [&](std::string_view of) {
        for (const std::string& path : folders_.drop_ins(of, set_.problems)) paths.push_back(&path);
    };
    if (is_instance(name)) add(template_of(name));
    add(name);
    return stamp_of(paths, options_.now);
}

bool Loader::take_unchanged(const std::string& name, std::uint64_t stamp) {
    if (stamp == 0) return false;
    const auto found = before_.find(name);
    if (found == before_.end() || (*found->second)->stamp != stamp) return false;
    set_.units.emplace(name, *found->second);
    return true;
}

void Loader::load_file(const std::string& name, const std::string& file) {
    const std::uint64_t now = stamp(name, file);
    if (take_unchanged(name, now)) return;
    Source source = read_source(name, file);
    if (source.masked)
        set_.masked.emplace(name, file);
    else
        take(name, read(name, std::move(source)), now);
}

void Loader::load_templates() {
    for (const auto& [name, file] : folders_.files())
        if (is_template(name)) load_template(name, file);
}

void Loader::load_template(const std::string& name, const std::string& file) {
    Source source = read_source(name, file);
    if (source.masked) {
        set_.masked.emplace(name, file);
        return;
    }
    set_.templates.emplace(name, file);
    ReadResult trial = read(name + "instance", source);
    set_.problems.insert(set_.problems.end(), trial.problems.begin(), trial.problems.end());
    Template& made = templates_[name];
    made.name = name;
    made.source = std::move(source);
    if (!trial.unit) {
        set_.bad.emplace(name, trial.problems);
        made.source.problems = std::move(trial.problems);
        return;
    }
    const Source& of = made.source;
    if (const Node* node = find_value(of.root, "unit", "default-instance"))
        made.default_instance = node->text;
    if (const Node* aliases = find_value(of.root, "unit", "aliases"))
        for (const Node& alias : aliases->items)
            if (is_template(alias.text)) template_aliases_.emplace(alias.text, name);
    const bool placed = std::ranges::any_of(trial.unit->links, [](const Link& link) {
        return link.relation == Relation::wanted_by || link.relation == Relation::required_by;
    });
    if (placed && trial.unit->enabled && !made.default_instance.empty())
        wanted_.push_back(name + made.default_instance);
}

// Whoever writes drop-ins for an instance means it to be there: `reevectl enable getty@tty2`.
void Loader::want_customised() {
    for (const std::string_view name : folders_.with_drop_ins())
        if (is_instance(name) && templates_.contains(template_of(name)) &&
            !folders_.files().contains(name))
            wanted_.emplace_back(name);
}

Loader::Template* Loader::template_of_name(std::string_view instance) {
    std::string_view name = template_of(instance);
    const auto alias = template_aliases_.find(name);
    if (alias != template_aliases_.end()) name = alias->second;
    const auto found = templates_.find(name);
    return found == templates_.end() ? nullptr : &found->second;
}

void Loader::load_instance_of(Template& of, const std::string& name) {
    if (++of.instances > most_instances) {
        if (of.instances == most_instances + 1)
            set_.problems.push_back(
                problem_of_file(of.source.files.front(),
                                "more than 10000 instances; do they refer to ever new ones?"));
        return;
    }
    if (!of.source.problems.empty()) {  // told with the template
        set_.bad.emplace(name, of.source.problems);
        return;
    }
    const std::uint64_t now = stamp(name, of.source.files.front());
    if (take_unchanged(name, now)) return;
    Source source = of.source;
    lay_over(source, name);
    ReadResult result = read(name, std::move(source));
    std::erase_if(result.problems,
                  [](const Problem& problem) { return problem.severity == Severity::warning; });
    take(name, std::move(result), now);
}

namespace {

// What other files or folders have a say in is read again each time: instances of templates that
// it names, programs that were looked for in PATH, aliases that it has by being stock.
bool stands_alone(const UnitFile& unit) {
    const auto is_alone = [](const std::string& name) { return name.find('@') == name.npos; };
    bool alone = !unit.searched;
    alone = alone && (unit.kind != Kind::target || stock_aliases(unit.name).empty());
    alone = alone && std::ranges::all_of(unit.links, is_alone, &Link::unit);
    auto predicates = *unit.predicates;
    for (auto* list : {&predicates.gate, &predicates.condition, &predicates.assertion})
        for_each_unit_name(*list,
                           [&](const std::string& name) { alone = alone && is_alone(name); });
    return alone && (!unit.service || is_alone(unit.service->limit->argument));
}

}  // namespace

void Loader::take(const std::string& name, ReadResult result, std::uint64_t stamp) {
    if (result.unit && result.problems.empty() && stands_alone(*result.unit))
        result.unit->stamp = stamp;
    set_.problems.insert(set_.problems.end(), result.problems.begin(), result.problems.end());
    if (!result.unit) {
        set_.bad.emplace(name, std::move(result.problems));
        return;
    }
    refer_to_all(*result.unit);
    if (result.unit->kind == Kind::target && !stock_aliases(name).empty())
        stock_.push_back(result.unit);
    if (last_) share_parts(*result.unit, *last_);  // files of one maker lie side by side
    last_ = result.unit;
    set_.units.emplace(name, std::move(result.unit));
}

void Loader::refer_to_all(UnitFile& unit) {
    const auto visit = [this](std::string& name) { refer_to(name); };
    for (Link& link : unit.links) visit(link.unit);
    if (!(unit.predicates == Rare<Predicates>{})) {
        Predicates& predicates = unit.predicates.edit();
        for (auto* list : {&predicates.gate, &predicates.condition, &predicates.assertion})
            for_each_unit_name(*list, visit);
    }
    if (unit.service && unit.service->limit->then == Limit::Then::start)
        visit(unit.service->limit.edit().argument);
}

void Loader::refer_to(std::string& name) {
    if (name.find('@') == std::string::npos) return;
    name = resolve(name);
    if (is_instance(name) && !is_known(name) && !folders_.files().contains(name))
        wanted_.push_back(name);
}

bool Loader::is_known(std::string_view name) const {
    return set_.units.contains(name) || set_.bad.contains(name) || set_.masked.contains(name);
}

void Loader::work_off() {
    while (!wanted_.empty()) {
        std::string name = std::exchange(wanted_.back(), {});
        wanted_.pop_back();
        if (!is_instance(name)) continue;
        if (Template* of = template_of_name(name)) {
            name = of->name + std::string{instance_of(name)};  // it may have been asked by an alias
            if (!is_known(name)) load_instance_of(*of, name);
            continue;
        }
        const auto masked = set_.masked.find(template_of(name));
        if (masked != set_.masked.end()) set_.masked.emplace(name, masked->second);
    }
}

void Loader::name_stock_targets() {
    std::set<std::string_view> taken;
    for (const auto& [name, file] : folders_.files()) taken.insert(name);
    for (const auto& [name, unit] : set_.units)
        taken.insert(unit->aliases.begin(), unit->aliases.end());
    for (const auto& unit : stock_)
        for (const std::string_view alias : stock_aliases(unit->name))
            if (!taken.contains(alias)) unit->aliases.emplace_back(alias);
}

void Loader::report_orphans() {
    for (const std::string_view name : folders_.with_drop_ins()) {
        const bool is_used = folders_.files().contains(name) || set_.masked.contains(name) ||
                             (is_instance(name) && folders_.files().contains(template_of(name)));
        if (is_used) continue;
        Problem problem = problem_of_file(folders_.drop_in_folder(name), "there is no such unit");
        problem.severity = Severity::warning;
        set_.problems.push_back(std::move(problem));
    }
}

}  // namespace reeve::units
