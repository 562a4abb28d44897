// From documents to a unit: the file and its drop-ins laid over each other, then read key by key.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "units/document.hpp"
#include "units/load.hpp"

namespace reeve::units {

// As ParseResult, while the unit may still change.
struct ReadResult {
    std::shared_ptr<UnitFile> unit;  // set when there is no error in `problems`
    std::vector<Problem> problems;
};

// Reads the merged document of unit `name`; `files` is what Node::file counts.
ReadResult read_unit(std::string_view name, const Node& root, std::vector<std::string> files,
                     const LoadOptions& options);

// Lays a drop-in over a document: lists of names, predicates and files add, all else replaces;
// `replace = ["unit.after"]` first drops what was there.
void merge(Node& root, Node drop_in, const std::vector<std::string>& files,
           std::vector<Problem>& problems);

// By file in the order of `files`, line and column.
void sort_problems(std::vector<Problem>& problems, const std::vector<std::string>& files);

}  // namespace reeve::units
