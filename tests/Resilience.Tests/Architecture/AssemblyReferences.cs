using System.Collections.Immutable;
using System.Reflection;
using System.Reflection.Emit;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace Resilience.Tests.Architecture;

/// <summary>
/// What each type of the compiled library refers to: base types, interfaces, fields, signatures, locals, and every
/// member and type that its method bodies name. Nested and generated types count as part of the type that holds them.
/// </summary>
internal sealed class AssemblyReferences
{
    private static readonly OpCode[] OneByteCodes = new OpCode[256];
    private static readonly OpCode[] TwoByteCodes = new OpCode[256];

    private readonly PEReader _file;
    private readonly MetadataReader _reader;
    private readonly NameProvider _names = new();

    static AssemblyReferences()
    {
        foreach (var field in typeof(OpCodes).GetFields(BindingFlags.Public | BindingFlags.Static))
        {
            var code = (OpCode)field.GetValue(null)!;
            (code.Size == 1 ? OneByteCodes : TwoByteCodes)[(byte)code.Value] = code;
        }
    }

    public AssemblyReferences(string file)
    {
        _file = new PEReader(new MemoryStream(File.ReadAllBytes(file)));
        _reader = _file.GetMetadataReader();
    }

    /// <summary>
    /// Pairs of a type and what it refers to: <c>Namespace.Type</c>, or <c>Namespace.Type::Member(parameter types)</c>.
    /// </summary>
    public IEnumerable<(string From, string To)> All() =>
        _reader
            .TypeDefinitions.SelectMany(handle =>
            {
                var from = OutermostName(handle);
                return Of(_reader.GetTypeDefinition(handle)).Select(to => (from, to));
            })
            .Distinct();

    private IEnumerable<string> Of(TypeDefinition type)
    {
        var found = new HashSet<string>(StringComparer.Ordinal);
        AddType(type.BaseType, found);
        foreach (var handle in type.GetInterfaceImplementations())
        {
            AddType(_reader.GetInterfaceImplementation(handle).Interface, found);
        }

        foreach (var handle in type.GetFields())
        {
            found.UnionWith(_reader.GetFieldDefinition(handle).DecodeSignature(_names, null).Names);
        }

        foreach (var handle in type.GetMethods())
        {
            AddMethod(_reader.GetMethodDefinition(handle), found);
        }

        return found;
    }

    private void AddMethod(MethodDefinition method, HashSet<string> found)
    {
        AddSignature(method.DecodeSignature(_names, null), found);
        if (method.RelativeVirtualAddress == 0)
        {
            return;
        }

        var body = _file.GetMethodBody(method.RelativeVirtualAddress);
        if (!body.LocalSignature.IsNil)
        {
            foreach (
                var local in _reader.GetStandaloneSignature(body.LocalSignature).DecodeLocalSignature(_names, null)
            )
            {
                found.UnionWith(local.Names);
            }
        }

        foreach (var region in body.ExceptionRegions)
        {
            AddType(region.CatchType, found);
        }

        AddBody(body.GetILReader(), found);
    }

    private void AddBody(BlobReader code, HashSet<string> found)
    {
        while (code.RemainingBytes > 0)
        {
            var first = code.ReadByte();
            var operation = first == 0xFE ? TwoByteCodes[code.ReadByte()] : OneByteCodes[first];
            switch (operation.OperandType)
            {
                case OperandType.InlineField:
                case OperandType.InlineMethod:
                case OperandType.InlineTok:
                case OperandType.InlineType:
                    AddToken(System.Reflection.Metadata.Ecma335.MetadataTokens.EntityHandle(code.ReadInt32()), found);
                    break;
                case OperandType.InlineSwitch:
                    var cases = code.ReadInt32();
                    code.Offset += cases * 4;
                    break;
                default:
                    code.Offset += SizeOf(operation.OperandType);
                    break;
            }
        }
    }

    private static int SizeOf(OperandType operand) =>
        operand switch
        {
            OperandType.InlineNone => 0,
            OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
            OperandType.InlineVar => 2,
            OperandType.InlineI8 or OperandType.InlineR => 8,
            _ => 4,
        };

    private void AddToken(EntityHandle handle, HashSet<string> found)
    {
        switch (handle.Kind)
        {
            case HandleKind.MethodDefinition:
                var method = _reader.GetMethodDefinition((MethodDefinitionHandle)handle);
                AddMember(method.GetDeclaringType(), method.Name, method.DecodeSignature(_names, null), found);
                break;
            case HandleKind.FieldDefinition:
                AddType(_reader.GetFieldDefinition((FieldDefinitionHandle)handle).GetDeclaringType(), found);
                break;
            case HandleKind.MemberReference:
                var member = _reader.GetMemberReference((MemberReferenceHandle)handle);
                if (member.GetKind() == MemberReferenceKind.Method)
                {
                    AddMember(member.Parent, member.Name, member.DecodeMethodSignature(_names, null), found);
                }
                else
                {
                    AddType(member.Parent, found);
                }

                break;
            case HandleKind.MethodSpecification:
                var specification = _reader.GetMethodSpecification((MethodSpecificationHandle)handle);
                AddToken(specification.Method, found);
                foreach (var argument in specification.DecodeSignature(_names, null))
                {
                    found.UnionWith(argument.Names);
                }

                break;
            default:
                AddType(handle, found);
                break;
        }
    }

    private void AddMember(
        EntityHandle parent,
        StringHandle name,
        MethodSignature<TypeNames> signature,
        HashSet<string> found
    )
    {
        AddType(parent, found);
        AddSignature(signature, found);
        var parameters = string.Join(",", signature.ParameterTypes.Select(each => each.Text));
        found.Add($"{NameOf(parent)}::{_reader.GetString(name)}({parameters})");
    }

    private static void AddSignature(MethodSignature<TypeNames> signature, HashSet<string> found)
    {
        found.UnionWith(signature.ReturnType.Names);
        foreach (var parameter in signature.ParameterTypes)
        {
            found.UnionWith(parameter.Names);
        }
    }

    private void AddType(EntityHandle handle, HashSet<string> found)
    {
        if (!handle.IsNil)
        {
            found.UnionWith(Decode(handle).Names);
        }
    }

    private string NameOf(EntityHandle handle) => handle.IsNil ? "" : Decode(handle).Names.FirstOrDefault() ?? "";

    private TypeNames Decode(EntityHandle handle) =>
        handle.Kind switch
        {
            HandleKind.TypeDefinition => _names.GetTypeFromDefinition(_reader, (TypeDefinitionHandle)handle, 0),
            HandleKind.TypeReference => _names.GetTypeFromReference(_reader, (TypeReferenceHandle)handle, 0),
            HandleKind.TypeSpecification => _reader
                .GetTypeSpecification((TypeSpecificationHandle)handle)
                .DecodeSignature(_names, null),
            HandleKind.MethodDefinition => Decode(
                _reader.GetMethodDefinition((MethodDefinitionHandle)handle).GetDeclaringType()
            ),
            _ => TypeNames.None,
        };

    private string OutermostName(TypeDefinitionHandle handle) => NameProvider.OutermostName(_reader, handle);

    /// <summary>The types that a signature names; the first is the type itself.</summary>
    private sealed record TypeNames(string Text, ImmutableArray<string> Names)
    {
        public static TypeNames None { get; } = new("", []);

        public static TypeNames Of(string name) => new(name, [name]);
    }

    /// <summary>Turns metadata into names: of a nested type that of the type around it, of a generic one all its parts.</summary>
    private sealed class NameProvider : ISignatureTypeProvider<TypeNames, object?>
    {
        public static string OutermostName(MetadataReader reader, TypeDefinitionHandle handle)
        {
            var type = reader.GetTypeDefinition(handle);
            while (!type.GetDeclaringType().IsNil)
            {
                type = reader.GetTypeDefinition(type.GetDeclaringType());
            }

            return Join(reader, type.Namespace, type.Name);
        }

        public TypeNames GetTypeFromDefinition(MetadataReader reader, TypeDefinitionHandle handle, byte rawTypeKind) =>
            TypeNames.Of(OutermostName(reader, handle));

        public TypeNames GetTypeFromReference(MetadataReader reader, TypeReferenceHandle handle, byte rawTypeKind)
        {
            var type = reader.GetTypeReference(handle);
            while (type.ResolutionScope.Kind == HandleKind.TypeReference)
            {
                type = reader.GetTypeReference((TypeReferenceHandle)type.ResolutionScope);
            }

            return TypeNames.Of(Join(reader, type.Namespace, type.Name));
        }

        public TypeNames GetTypeFromSpecification(
            MetadataReader reader,
            object? genericContext,
            TypeSpecificationHandle handle,
            byte rawTypeKind
        ) => reader.GetTypeSpecification(handle).DecodeSignature(this, genericContext);

        public TypeNames GetGenericInstantiation(TypeNames genericType, ImmutableArray<TypeNames> typeArguments) =>
            new(
                $"{genericType.Text}<{string.Join(",", typeArguments.Select(each => each.Text))}>",
                [.. genericType.Names, .. typeArguments.SelectMany(each => each.Names)]
            );

        public TypeNames GetFunctionPointerType(MethodSignature<TypeNames> signature) =>
            new("", [.. signature.ReturnType.Names, .. signature.ParameterTypes.SelectMany(each => each.Names)]);

        public TypeNames GetArrayType(TypeNames elementType, ArrayShape shape) => elementType;

        public TypeNames GetSZArrayType(TypeNames elementType) => elementType;

        public TypeNames GetByReferenceType(TypeNames elementType) => elementType;

        public TypeNames GetPointerType(TypeNames elementType) => elementType;

        public TypeNames GetPinnedType(TypeNames elementType) => elementType;

        public TypeNames GetModifiedType(TypeNames modifier, TypeNames unmodifiedType, bool isRequired) =>
            unmodifiedType;

        public TypeNames GetPrimitiveType(PrimitiveTypeCode typeCode) =>
            TypeNames.None with
            {
                Text = typeCode.ToString(),
            };

        public TypeNames GetGenericMethodParameter(object? genericContext, int index) => TypeNames.None;

        public TypeNames GetGenericTypeParameter(object? genericContext, int index) => TypeNames.None;

        private static string Join(MetadataReader reader, StringHandle @namespace, StringHandle name) =>
            @namespace.IsNil ? reader.GetString(name) : $"{reader.GetString(@namespace)}.{reader.GetString(name)}";
    }
}
