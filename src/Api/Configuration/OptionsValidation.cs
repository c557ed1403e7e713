using System.ComponentModel.DataAnnotations;

namespace Gateway.Api.Configuration;

/// <summary>Validates options by the attributes of their properties.</summary>
internal static class OptionsValidation
{
    /// <summary>Adds a fault for each property whose value its attributes don't allow.</summary>
    /// <param name="options">The options.</param>
    /// <param name="prefix">The prefix of their settings' names.</param>
    /// <param name="faults">Receives the faults.</param>
    public static void Check(object options, string prefix, List<string> faults)
    {
        var results = new List<ValidationResult>();
        Validator.TryValidateObject(options, new ValidationContext(options), results, validateAllProperties: true);
        foreach (var result in results)
        {
            var member = result.MemberNames.First();
            var value = options.GetType().GetProperty(member)!.GetValue(options);
            faults.Add($"{prefix}{member} is {value}: {result.ErrorMessage}");
        }
    }
}
